//! The permission matrix: who may do what, found by asking the policies on a probe organisation.
//!
//! Nothing here interprets a policy. Every cell is the answer of [`Pdp::decide`], and every question is
//! asked again under each variant of the probe: a cell that then comes out otherwise says so.

mod compare;
mod compute;
mod page;
mod picture;
mod probe;
mod table;
mod text;

pub use compare::{CellChange, MatrixError, ReviewFormat, between, changes};
pub use probe::{Probe, ProbeColumn, Sample, Variant};

use super::pdp::Pdp;

/// Who may do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    title: String,
    columns: Vec<Column>,
    rows: Vec<Row>,
    /// The names and meanings of the variants, in the order of the probe.
    variants: Vec<(String, String)>,
    /// The variants that deny everything to somebody, with those they do it to: said once, and not in
    /// every cell.
    barred: Vec<(usize, Vec<String>)>,
    silent: Vec<String>,
    idle: Vec<String>,
}

/// Somebody who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    group: String,
    title: String,
    /// The title, with the group where the title alone is ambiguous.
    name: String,
}

/// One action on one kind of resource.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    action: String,
    resource: String,
    /// As many as there are columns.
    cells: Vec<Cell>,
}

/// The answers to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cell {
    /// Allowed, whatever is otherwise.
    Allowed,
    /// Denied, whatever is otherwise.
    Denied,
    /// Allowed, but not under these variants.
    Unless(Vec<usize>),
    /// Denied, but not under these variants.
    If(Vec<usize>),
}

impl Matrix {
    /// Asks the base policies of `pdp` every question on `probe`.
    ///
    /// # Errors
    /// What is wrong with the probe, one line each; a type that actions are asked about but no sample
    /// stands for is one of them.
    pub fn compute(pdp: &Pdp, probe: &Probe) -> Result<Self, Vec<String>> {
        compute::compute(pdp, probe)
    }

    /// The number of cells.
    pub const fn cell_count(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// The base policies that decided no cell under no variant: what they do, the matrix does not show.
    pub fn silent(&self) -> &[String] {
        &self.silent
    }

    /// The variants under which no cell comes out otherwise.
    pub fn idle(&self) -> &[String] {
        &self.idle
    }

    /// As a table for a terminal; with escape sequences for colours where `coloured`.
    pub fn to_text(&self, coloured: bool) -> String {
        text::render(self, coloured)
    }

    /// As Markdown: a table for each area. The form that is reviewed.
    pub fn to_markdown(&self) -> String {
        table::markdown(self)
    }

    /// As CSV (RFC 4180): one line per action and resource.
    pub fn to_csv(&self) -> String {
        table::csv(self)
    }

    /// As JSON, for programs.
    pub fn to_json(&self) -> String {
        table::json(self)
    }

    /// As a picture that stands alone.
    pub fn to_svg(&self) -> String {
        picture::render(self)
    }

    /// As a page that stands alone.
    pub fn to_html(&self) -> String {
        page::render(self)
    }

    /// The rows by area, in order.
    fn areas(&self) -> impl Iterator<Item = (&str, &[Row])> {
        self.rows.chunk_by(|a, b| a.area() == b.area()).filter_map(|rows| {
            let first = rows.first()?;
            Some((first.area(), rows))
        })
    }

    /// Neighbouring columns of one group: the group, and how many they are.
    fn groups(&self) -> impl Iterator<Item = (&str, usize)> {
        self.columns
            .chunk_by(|a, b| a.group == b.group)
            .filter_map(|columns| Some((columns.first()?.group.as_str(), columns.len())))
    }

    /// What a cell says, in a word or a few.
    fn said(&self, cell: &Cell) -> String {
        match cell {
            Cell::Allowed => "yes".to_owned(),
            Cell::Denied => "-".to_owned(),
            Cell::Unless(_) | Cell::If(_) => self.condition(cell).unwrap_or_default(),
        }
    }

    /// On what a cell depends; `None` where it depends on nothing.
    fn condition(&self, cell: &Cell) -> Option<String> {
        let (word, variants) = match cell {
            Cell::Allowed | Cell::Denied => return None,
            Cell::Unless(variants) => ("unless", variants),
            Cell::If(variants) => ("if", variants),
        };
        let names: Vec<&str> = variants
            .iter()
            .filter_map(|number| self.variants.get(*number))
            .map(|(name, _)| name.as_str())
            .collect();
        Some(format!("{word} {}", names.join(", ")))
    }

    /// The variants under which somebody is denied everything, each as a sentence.
    fn barred(&self) -> impl Iterator<Item = String> {
        self.barred.iter().filter_map(|(number, columns)| {
            let (name, _) = self.variants.get(*number)?;
            Some(format!("`{name}` denies everything to: {}.", columns.join(", ")))
        })
    }

    /// The variants some cell depends on, with what they mean.
    fn used_variants(&self) -> impl Iterator<Item = (&str, &str)> {
        let idle = |name: &String| self.idle.contains(name);
        let used = self.variants.iter().filter(move |(name, _)| !idle(name));
        used.map(|(name, title)| (name.as_str(), title.as_str()))
    }
}

impl Row {
    /// The part of the action before the colon.
    fn area(&self) -> &str {
        self.action.split_once(':').map_or("", |(area, _)| area)
    }

    /// The part of the action after the colon.
    fn verb(&self) -> &str {
        self.action.split_once(':').map_or(&*self.action, |(_, verb)| verb)
    }
}

#[cfg(test)]
mod tests;
