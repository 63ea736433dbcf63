//! The matrix for a terminal: aligned columns, an area at a time, conditions at the end of their line.

use super::{Cell, Matrix, Row};

/// Narrowest column: `yes` with a mark.
const COLUMN_WIDTH_MIN: usize = 5;

/// Between two columns.
const GAP: &str = "  ";

/// Escape sequences (ECMA-48 §8.3.117).
const BOLD: &str = "1";
const DIM: &str = "2";
const GREEN: &str = "32";
const YELLOW: &str = "33";

struct Pen {
    coloured: bool,
}

impl Pen {
    fn paint(&self, code: &str, text: &str) -> String {
        if self.coloured && !text.trim().is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

struct Layout {
    verb: usize,
    resource: usize,
    columns: Vec<usize>,
}

pub(super) fn render(matrix: &Matrix, coloured: bool) -> String {
    let pen = Pen { coloured };
    let layout = layout(matrix);
    let mut lines = vec![pen.paint(BOLD, &matrix.title), String::new()];
    lines.extend(heading(matrix, &layout, &pen));
    for (area, rows) in matrix.areas() {
        lines.push(pen.paint(BOLD, area));
        lines.extend(rows.iter().map(|row| line(matrix, &layout, &pen, row)));
    }
    lines.push(String::new());
    let count = |wanted: fn(&Cell) -> bool| {
        matrix.rows.iter().flat_map(|row| &row.cells).filter(|cell| wanted(cell)).count()
    };
    let yes = count(|cell| matches!(cell, Cell::Allowed));
    let some = count(|cell| matches!(cell, Cell::Unless(_) | Cell::If(_)));
    let (all, rows) = (matrix.cell_count(), matrix.rows.len());
    lines.push(format!("{rows} rows, {all} cells: {yes} yes, {some} under conditions"));
    let width = matrix.used_variants().map(|(name, _)| width(name)).max().unwrap_or_default();
    lines.extend(
        matrix.used_variants().map(|(name, title)| format!("  {}{GAP}{title}", pad(name, width))),
    );
    lines.extend(matrix.barred());
    for (what, names) in [
        ("policies that decide nothing here", &matrix.silent),
        ("variants that change nothing", &matrix.idle),
    ] {
        if !names.is_empty() {
            lines.push(pen.paint(YELLOW, &format!("{what}: {}", names.join(", "))));
        }
    }
    lines.iter().map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn layout(matrix: &Matrix) -> Layout {
    let widest = |texts: &mut dyn Iterator<Item = &str>| texts.map(width).max().unwrap_or_default();
    let word = |title: &str| widest(&mut title.split(' ')).max(COLUMN_WIDTH_MIN);
    Layout {
        verb: 2 + widest(&mut matrix.rows.iter().map(Row::verb)),
        resource: widest(&mut matrix.rows.iter().map(|row| row.resource.as_str())),
        columns: matrix.columns.iter().map(|column| word(&column.title)).collect(),
    }
}

/// The groups over their columns, then the titles, a word to a line, standing on the first row.
fn heading(matrix: &Matrix, layout: &Layout, pen: &Pen) -> Vec<String> {
    let margin = " ".repeat(layout.verb + GAP.len() + layout.resource);
    let mut groups = margin.clone();
    let mut widths = layout.columns.iter();
    for (group, count) in matrix.groups() {
        let widths: Vec<usize> = widths.by_ref().take(count).copied().collect();
        let span = widths.iter().sum::<usize>() + GAP.len() * (count - 1);
        let fitting: String = group.chars().take(span).collect();
        let rule = span.saturating_sub(width(&fitting) + 1);
        let rule = if group.is_empty() {
            " ".repeat(rule + 1)
        } else {
            format!(" {}", "─".repeat(rule))
        };
        groups.push_str(GAP);
        groups.push_str(&pad(&format!("{fitting}{rule}"), span));
    }
    let words: Vec<Vec<&str>> =
        matrix.columns.iter().map(|column| column.title.split(' ').collect()).collect();
    let height = words.iter().map(Vec::len).max().unwrap_or_default();
    let mut lines = vec![pen.paint(DIM, &groups)];
    for number in 0..height {
        let mut line = margin.clone();
        for (words, width) in words.iter().zip(&layout.columns) {
            // Shorter titles stand at the foot.
            let word = (number + words.len()).checked_sub(height).and_then(|at| words.get(at));
            line.push_str(GAP);
            line.push_str(&pad(word.copied().unwrap_or_default(), *width));
        }
        lines.push(pen.paint(BOLD, &line));
    }
    lines
}

fn line(matrix: &Matrix, layout: &Layout, pen: &Pen, row: &Row) -> String {
    let mut line = format!("  {}", pad(row.verb(), layout.verb - 2));
    line.push_str(GAP);
    line.push_str(&pen.paint(DIM, &pad(&row.resource, layout.resource)));
    let mut conditions: Vec<String> = Vec::new();
    for (cell, width) in row.cells.iter().zip(&layout.columns) {
        let mark = matrix.condition(cell).map(|condition| {
            let known = conditions.iter().position(|other| *other == condition);
            let number = known.unwrap_or_else(|| {
                conditions.push(condition);
                conditions.len() - 1
            });
            superscript(number + 1)
        });
        let (colour, word) = match cell {
            Cell::Allowed => (GREEN, "yes"),
            Cell::Denied => (DIM, "·"),
            Cell::Unless(_) => (YELLOW, "yes"),
            Cell::If(_) => (YELLOW, "·"),
        };
        line.push_str(GAP);
        let said = format!("{word}{}", mark.unwrap_or_default());
        line.push_str(&pen.paint(colour, &pad(&said, *width)));
    }
    for (number, condition) in conditions.iter().enumerate() {
        let text = format!("{GAP}{}{condition}", superscript(number + 1));
        line.push_str(&pen.paint(YELLOW, &text));
    }
    line
}

fn superscript(number: usize) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let digits = number.to_string();
    let digit = |digit: char| digit.to_digit(10).and_then(|d| usize::try_from(d).ok());
    digits.chars().filter_map(digit).filter_map(|digit| DIGITS.get(digit)).collect()
}

/// Characters; titles are words of languages in which each takes one place.
fn width(text: &str) -> usize {
    text.chars().count()
}

fn pad(text: &str, wanted: usize) -> String {
    let missing = wanted.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(missing))
}
