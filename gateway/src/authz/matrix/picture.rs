//! The matrix as a picture: SVG with everything in it, the areas flowing through as many panels as make a
//! sheet of the usual shape.

use std::fmt::Write as _;

use super::page::{escape, summary};
use super::{Cell, Matrix, Row};

/// Sizes in pixels at a scale of one.
const ROW: usize = 18;
const CELL: usize = 26;
const AREA: usize = 30;
const MARGIN: usize = 36;
const GUTTER: usize = 44;
const TOP: usize = 124;
const NAMES: usize = 138;
/// Between two groups of columns.
const GROUP_GAP: usize = 12;
/// A character of a group's name.
const SMALL_CHARACTER: usize = 5;
/// A character of the text in a row, on average, rounded up.
const CHARACTER: usize = 7;

/// Width to height: a sheet of paper on its side (ISO 216).
const SHAPE: (usize, usize) = (141, 100);

/// Most panels: more would be too small to read on one sheet.
const PANELS_MAX: usize = 6;

/// Colours by class; the second set for dark screens.
const STYLE: &str = "
svg { font: 12px system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif; background: var(--paper);
  --paper: #fcfcfa; --ink: #1d2128; --quiet: #6a707c; --rule: #e2e3e0; --yes: #2f9e68; --some: #c98a1b; }
@media (prefers-color-scheme: dark) {
  svg { --paper: #16181d; --ink: #e6e8ec; --quiet: #8f96a3; --rule: #2b2f37; --yes: #4cc38a; --some: #e8b45a; }
}
.paper { fill: var(--paper); } text { fill: var(--ink); } .quiet { fill: var(--quiet); }
.group { font-size: 9.5px; fill: var(--quiet); } .title { font-size: 26px; font-weight: 650; } .area { font-size: 14px; font-weight: 650; }
.rule { stroke: var(--rule); } .yes { fill: var(--yes); } .no { fill: var(--rule); }
.some { fill: none; stroke: var(--some); stroke-width: 2; } .half { fill: var(--some); }
";

/// An area with its rows.
type Block<'m> = (&'m str, &'m [Row]);

pub(super) fn render(matrix: &Matrix) -> String {
    let blocks: Vec<Block<'_>> = matrix.areas().collect();
    let sheet = Sheet::of(matrix);
    let panels = sheet.panels(&blocks);
    let height = panels.iter().map(|panel| tall(panel)).max().unwrap_or_default();
    let conditions: Vec<(&str, &str)> = matrix.used_variants().collect();
    let (width, body) = (sheet.width(panels.len()), TOP + NAMES + height + 30);
    // Conditions in as many columns as have room for a sentence.
    let across = (width / 420).max(1);
    let barred: Vec<String> = matrix.barred().collect();
    let lines = conditions.len().div_ceil(across) + barred.len();
    let tail = if lines == 0 { 0 } else { 48 + lines * ROW };
    let total = body + tail + MARGIN;
    let title = escape(&matrix.title);
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {total}\" width=\"{width}\" \
         height=\"{total}\" role=\"img\" aria-labelledby=\"title description\">\n\
         <title id=\"title\">{title}</title>\n<desc id=\"description\">{}</desc>\n\
         <style>{STYLE}</style>\n<rect class=\"paper\" width=\"{width}\" height=\"{total}\"/>\n",
        escape(&summary(matrix))
    );
    _ = writeln!(picture, "<text class=\"title\" x=\"{MARGIN}\" y=\"58\">{title}</text>");
    let told = escape(&summary(matrix));
    _ = writeln!(picture, "<text class=\"quiet\" x=\"{MARGIN}\" y=\"82\">{told}</text>");
    picture += &legend();
    for (number, panel) in panels.iter().enumerate() {
        let left = MARGIN + number * (sheet.panel() + GUTTER);
        picture += &sheet.heading(matrix, left);
        let mut top = TOP + NAMES;
        for block in panel {
            picture += &sheet.block(matrix, block, left, top);
            top += block_height(block);
        }
    }
    for (number, (name, told)) in conditions.iter().enumerate() {
        let x = MARGIN + (number % across) * 420;
        let y = body + 30 + (number / across) * ROW;
        let (name, told) = (escape(name), escape(told));
        _ = writeln!(
            picture,
            "<text x=\"{x}\" y=\"{y}\">{name} <tspan class=\"quiet\" dx=\"6\">{told}</tspan></text>"
        );
    }
    for (number, sentence) in barred.iter().enumerate() {
        let y = body + 44 + (conditions.len().div_ceil(across) + number) * ROW;
        let told = escape(&sentence.replace('`', ""));
        _ = writeln!(picture, "<text class=\"quiet\" x=\"{MARGIN}\" y=\"{y}\">{told}</text>");
    }
    picture += "</svg>\n";
    picture
}

/// What the four signs mean, below the title.
fn legend() -> String {
    let mut legend = String::new();
    let entries = [
        (Cell::Allowed, "allowed", 84),
        (Cell::Unless(Vec::new()), "allowed, with exceptions", 182),
        (Cell::If(Vec::new()), "denied, with exceptions", 178),
        (Cell::Denied, "denied", 0),
    ];
    let mut x = MARGIN + 6;
    for (cell, told, step) in entries {
        legend += &sign(&cell, x, 104, told);
        _ = writeln!(legend, "<text class=\"quiet\" x=\"{}\" y=\"108\">{told}</text>", x + 14);
        x += step;
    }
    legend
}

/// The sign of a cell around the point (`x`, `y`); `told` is read out and shown under the pointer.
fn sign(cell: &Cell, x: usize, y: usize, told: &str) -> String {
    let told = escape(told);
    let open = format!("<g><title>{told}</title>");
    let shape = match cell {
        Cell::Allowed => format!("<circle class=\"yes\" cx=\"{x}\" cy=\"{y}\" r=\"6\"/>"),
        Cell::Denied => format!("<circle class=\"no\" cx=\"{x}\" cy=\"{y}\" r=\"2\"/>"),
        Cell::If(_) => format!("<circle class=\"some\" cx=\"{x}\" cy=\"{y}\" r=\"5\"/>"),
        Cell::Unless(_) => format!(
            "<circle class=\"some\" cx=\"{x}\" cy=\"{y}\" r=\"5\"/>\
             <path class=\"half\" d=\"M{x} {}a5 5 0 0 1 0 10z\"/>",
            y - 5
        ),
    };
    format!("{open}{shape}</g>\n")
}

const fn block_height(block: &Block<'_>) -> usize {
    AREA + block.1.len() * ROW + 8
}

fn tall(panel: &[&Block<'_>]) -> usize {
    panel.iter().map(|block| block_height(block)).sum()
}

/// How wide the parts of a panel are.
struct Sheet {
    verb: usize,
    resource: usize,
    /// Where each column begins, from the first one.
    columns: Vec<usize>,
}

impl Sheet {
    fn of(matrix: &Matrix) -> Self {
        let widest = |texts: &mut dyn Iterator<Item = &str>| {
            CHARACTER * texts.map(|text| text.chars().count()).max().unwrap_or_default()
        };
        Self {
            verb: 16 + widest(&mut matrix.rows.iter().map(Row::verb)),
            resource: 16 + widest(&mut matrix.rows.iter().map(|row| row.resource.as_str())),
            columns: columns(matrix),
        }
    }

    fn panel(&self) -> usize {
        self.verb + self.resource + self.columns.last().map_or(0, |last| last + CELL)
    }

    fn width(&self, panels: usize) -> usize {
        let wide = 2 * MARGIN + panels * (self.panel() + GUTTER) - GUTTER;
        // The title and the legend need this much.
        if wide > 900 { wide } else { 900 }
    }

    /// The areas in order, over as many panels as bring the picture nearest to its shape.
    fn panels<'b, 'm>(&self, blocks: &'b [Block<'m>]) -> Vec<Vec<&'b Block<'m>>> {
        let all: usize = blocks.iter().map(block_height).sum();
        let mut flows = (1..=PANELS_MAX).map(|count| flow(blocks, all.div_ceil(count)));
        let wide_enough = |panels: &Vec<Vec<&Block<'_>>>| {
            let height = TOP + NAMES + panels.iter().map(|p| tall(p)).max().unwrap_or_default();
            self.width(panels.len()) * SHAPE.1 >= height * SHAPE.0
        };
        flows.find(wide_enough).unwrap_or_else(|| flow(blocks, all.div_ceil(PANELS_MAX)))
    }

    /// The titles of the columns, leaning, over the names of their groups.
    fn heading(&self, matrix: &Matrix, left: usize) -> String {
        let mut heading = String::new();
        let start = left + self.verb + self.resource;
        let foot = TOP + NAMES - 22;
        for (at, column) in self.columns.iter().zip(&matrix.columns) {
            let x = start + at + CELL / 2 + 4;
            let title = escape(&column.title);
            _ = writeln!(
                heading,
                "<text transform=\"translate({x} {foot}) rotate(-60)\">{title}</text>"
            );
        }
        let mut starts = self.columns.iter();
        for (group, count) in matrix.groups() {
            let Some(x) = starts.by_ref().take(count).copied().reduce(usize::min) else { continue };
            let (x, wide) = (start + x, count * CELL);
            let (rule, base) = (foot + 7, foot + 18);
            let name = escape(&fitting(group, wide / SMALL_CHARACTER));
            _ = writeln!(
                heading,
                "<path class=\"rule\" d=\"M{x} {rule}h{wide}\"/><text class=\"group\" x=\"{x}\" \
                 y=\"{base}\">{name}</text>"
            );
        }
        heading
    }

    fn block(&self, matrix: &Matrix, block: &Block<'_>, left: usize, top: usize) -> String {
        let (area, rows) = block;
        let (base, end) = (top + AREA - 8, left + self.panel());
        let area = escape(area);
        let mut drawn = format!(
            "<text class=\"area\" x=\"{left}\" y=\"{base}\">{area}</text>\n<path class=\"rule\" \
             d=\"M{left} {}H{end}\"/>\n",
            base + 6
        );
        for (number, row) in rows.iter().enumerate() {
            let y = top + AREA + number * ROW + 13;
            let (verb, resource) = (escape(row.verb()), escape(&row.resource));
            _ = writeln!(
                drawn,
                "<text x=\"{}\" y=\"{y}\">{verb}</text><text class=\"quiet\" x=\"{}\" y=\"{y}\">\
                 {resource}</text>",
                left + 8,
                left + self.verb
            );
            let start = left + self.verb + self.resource;
            for (at, (cell, column)) in
                self.columns.iter().zip(row.cells.iter().zip(&matrix.columns))
            {
                let x = start + at + CELL / 2;
                let said = matrix.said(cell);
                let told = format!("{} on {}: {}: {said}", row.action, row.resource, column.name);
                drawn += &sign(cell, x, y - 4, &told);
            }
        }
        drawn
    }
}

/// Where each column begins: groups stand a little apart.
fn columns(matrix: &Matrix) -> Vec<usize> {
    let mut starts = Vec::with_capacity(matrix.columns.len());
    let mut next = 0;
    for (_, count) in matrix.groups() {
        starts.extend((0..count).map(|number| next + number * CELL));
        next += count * CELL + GROUP_GAP;
    }
    starts
}

/// As much of `text` as `characters` hold.
fn fitting(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    text.chars().take(characters.saturating_sub(1)).chain(['…']).collect()
}

/// Fills panels one after the other up to `height`, an area staying whole.
fn flow<'b, 'm>(blocks: &'b [Block<'m>], height: usize) -> Vec<Vec<&'b Block<'m>>> {
    let mut panels: Vec<Vec<&Block<'_>>> = vec![Vec::new()];
    let mut filled = 0;
    for block in blocks {
        let needed = block_height(block);
        // An area goes where more than half of it still fits.
        if filled > 0 && filled + needed / 2 > height {
            panels.push(Vec::new());
            filled = 0;
        }
        if let Some(panel) = panels.last_mut() {
            panel.push(block);
        }
        filled += needed;
    }
    panels
}
