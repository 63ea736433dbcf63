//! Rows below each other, and names beside values.

use std::io::Write;

use super::flat::{List, Row};
use super::screen::{Screen, cut, padded, width};

/// Spaces between columns.
const GAP: usize = 2;

/// Text is not cut shorter than this to make room.
const TEXT_MIN: usize = 16;

/// Writes the rows of a list under its columns.
pub(super) fn write_list(list: &List, screen: Screen, out: &mut dyn Write) -> std::io::Result<()> {
    let mut table = Table::of(list, screen.width.is_some());
    if let Some(room) = screen.width {
        table.shrink(room);
    }
    let headings: Vec<&str> = table.columns.iter().map(|it| it.heading.as_str()).collect();
    writeln!(out, "{}", screen.strong(&table.line(&headings, screen)))?;
    for at in 0..list.rows.len() {
        let cells = table.columns.iter().map(|it| it.cells.get(at).map_or("", String::as_str));
        writeln!(out, "{}", table.line(&cells.collect::<Vec<_>>(), screen))?;
    }
    Ok(())
}

/// Writes names and values, the values below each other.
pub(super) fn write_row(row: &Row, screen: Screen, out: &mut dyn Write) -> std::io::Result<()> {
    let names = row.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    for (name, cell) in row {
        let mut lines = cell.text.lines();
        let first = lines.next().unwrap_or_default();
        let padding = " ".repeat(names - width(name) + GAP);
        writeln!(out, "{}{padding}{first}", screen.strong(name))?;
        for line in lines {
            writeln!(out, "{}", format!("{:1$}{line}", "", names + GAP).trim_end())?;
        }
    }
    Ok(())
}

struct Table {
    columns: Vec<Column>,
}

struct Column {
    heading: String,
    cells: Vec<String>,
    width: usize,
    /// Numbers are compared digit below digit.
    is_number: bool,
    /// Words can be cut; an id that is cut is none.
    is_text: bool,
}

impl Table {
    /// What is empty in every row takes no room on a terminal.
    fn of(list: &List, leave_out_empty: bool) -> Self {
        let mut names = list.columns.clone();
        for (name, _) in list.rows.iter().flatten() {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let mut columns: Vec<Column> = names.iter().map(|name| Column::of(name, list)).collect();
        if leave_out_empty {
            columns.retain(|column| column.cells.iter().any(|cell| cell != "-"));
        }
        Self { columns }
    }

    /// Takes from the widest texts until everything fits, or none can give any more.
    fn shrink(&mut self, room: usize) {
        let gaps = GAP * self.columns.len().saturating_sub(1);
        loop {
            let taken: usize = self.columns.iter().map(|column| column.width).sum();
            if taken + gaps <= room {
                return;
            }
            let texts = self.columns.iter_mut().filter(|it| it.is_text && it.width > TEXT_MIN);
            let Some(widest) = texts.max_by_key(|column| column.width) else { return };
            widest.width -= 1;
        }
    }

    /// One line; what reaches beyond the terminal is cut.
    fn line(&self, cells: &[&str], screen: Screen) -> String {
        let mut line = String::new();
        for (column, cell) in self.columns.iter().zip(cells) {
            if !line.is_empty() {
                line.push_str(&" ".repeat(GAP));
            }
            let cell =
                if screen.width.is_some() { cut(cell, column.width) } else { (*cell).to_owned() };
            if column.is_number {
                line.push_str(&" ".repeat(column.width.saturating_sub(width(&cell))));
                line.push_str(&cell);
            } else {
                line.push_str(&padded(&cell, column.width));
            }
        }
        let line = line.trim_end();
        screen.width.map_or_else(|| line.to_owned(), |room| cut(line, room))
    }
}

impl Column {
    fn of(name: &str, list: &List) -> Self {
        let found =
            |row: &Row| row.iter().find(|(known, _)| known == name).map(|(_, cell)| cell.clone());
        let found: Vec<_> = list.rows.iter().map(found).collect();
        let is_number = found.iter().flatten().all(|cell| cell.is_number || cell.text == "-")
            && found.iter().flatten().any(|cell| cell.is_number);
        let one_line = |text: &str| text.replace(['\n', '\t'], " ");
        let cells: Vec<String> = found
            .iter()
            .map(|cell| cell.as_ref().map_or_else(|| "-".to_owned(), |cell| one_line(&cell.text)))
            .collect();
        let heading = name.to_uppercase();
        Self {
            width: cells.iter().map(|cell| width(cell)).chain([width(&heading)]).max().unwrap_or(0),
            is_text: cells.iter().any(|cell| cell.contains(' ')),
            is_number,
            heading,
            cells,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::flat::{Flat, rows};
    use super::*;

    const PIPE: Screen = Screen { width: None, colour: false };

    fn drawn(value: &Value, screen: Screen) -> Vec<String> {
        let mut out = Vec::new();
        write_list(&rows(value, None).unwrap(), screen, &mut out).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    fn keys() -> Value {
        json!([
            {"id": "k1", "uses": 9, "name": "billing export for the harbour", "ends": null},
            {"id": "k22", "uses": 120, "name": "hub", "ends": null, "more": "x"},
        ])
    }

    #[test]
    fn columns_stand_below_each_other_and_nothing_is_cut_into_a_pipe() {
        assert_eq!(
            drawn(&keys(), PIPE),
            [
                "ID   USES  NAME                            ENDS  MORE",
                "k1      9  billing export for the harbour  -     -",
                "k22   120  hub                             -     x",
            ]
        );
    }

    #[test]
    fn a_terminal_gets_what_fits_and_texts_give_way_first() {
        let narrow = |width| Screen { width: Some(width), colour: false };
        assert_eq!(
            drawn(&keys(), narrow(36)),
            [
                "ID   USES  NAME                 MORE",
                "k1      9  billing export for…  -",
                "k22   120  hub                  x"
            ]
        );
        let lines = drawn(&keys(), narrow(12));
        assert!(lines.iter().all(|line| width(line) <= 12), "{lines:?}");
        assert!(lines[1].starts_with("k1      9"), "{lines:?}");
    }

    #[test]
    fn values_stand_below_each_other_lines_and_all() {
        let value = json!({"id": "p1", "policy": {"text": "permit (\n  a\n);"}});
        let mut out = Vec::new();
        write_row(&Flat::of(value.as_object().unwrap(), None).row, PIPE, &mut out).unwrap();
        let told = String::from_utf8(out).unwrap();
        assert_eq!(
            told,
            "id           p1\npolicy.text  permit (\n               a\n             );\n"
        );
    }
}
