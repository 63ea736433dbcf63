//! Asks every question of a matrix.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use cedar_policy_core::ast::EntityUID;

use super::super::context::Facts;
use super::super::decision::Decision;
use super::super::pdp::{Pdp, Question};
use super::super::trial::{USUAL_SECONDS, USUAL_SOURCE, method_of};
use super::super::world::{Changes, World};
use super::{Cell, Column, Matrix, Probe, Row, Variant};
use crate::model::{ActionId, EntityRecord, EntityUid, Scopes, UnixNanos};

/// The probe as it is written, or under one variant.
struct Setting<'p> {
    variant: Option<&'p Variant>,
    world: World,
    scopes: Scopes,
    now: UnixNanos,
    /// The entities that are otherwise.
    touched: HashSet<EntityUID>,
}

pub(super) fn compute(pdp: &Pdp, probe: &Probe) -> Result<Matrix, Vec<String>> {
    let schema = pdp.schema();
    let mut faults = probe.faults(schema);
    faults.extend(unsampled(pdp, probe));
    let principals: Vec<EntityRecord> =
        probe.columns.iter().map(|column| column.record(schema)).collect();
    let mut settings = Vec::new();
    for variant in std::iter::once(None).chain(probe.variants.iter().map(Some)) {
        match Setting::build(pdp, probe, &principals, variant) {
            Ok(setting) => settings.push(setting),
            Err(found) => {
                let place = variant.map_or("the probe".to_owned(), |v| format!("`{}`", v.name));
                faults.extend(found.into_iter().map(|fault| format!("{place}: {fault}")));
            }
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut asking = Asking { pdp, settings: &settings, deciding: HashSet::new() };
    let mut rows = Vec::new();
    for action in actions(pdp) {
        for sample in &probe.samples {
            if !schema.action_accepts(&action, sample.entity.kind()) {
                continue;
            }
            let cells = principals.iter().map(|who| asking.cell(&who.uid, &action, &sample.entity));
            let (action, resource) = (action.as_str().to_owned(), sample.name().to_owned());
            rows.push(Row { cells: cells.collect(), action, resource });
        }
    }
    let deciding = asking.deciding;
    let columns = columns(probe);
    let barred = bar(&mut rows, &columns, probe.variants.len());
    let silent = pdp.base_policies().filter(|id| !deciding.contains(*id)).map(str::to_owned);
    Ok(Matrix {
        title: probe.title.clone(),
        variants: probe.variants.iter().map(|v| (v.name.clone(), v.title.clone())).collect(),
        silent: silent.collect(),
        idle: idle(probe, &rows, &barred),
        barred,
        columns,
        rows,
    })
}

/// The actions by area, then by name.
fn actions(pdp: &Pdp) -> Vec<ActionId> {
    let mut actions: Vec<ActionId> =
        pdp.actions().filter_map(|name| ActionId::parse(name).ok()).collect();
    let key = |action: &ActionId| {
        let name = action.as_str();
        let (area, verb) = name.split_once(':').unwrap_or(("", name));
        (area.to_owned(), verb.to_owned())
    };
    actions.sort_by_cached_key(key);
    actions
}

/// The types some action is asked about but that no sample stands for, each with such an action.
fn unsampled(pdp: &Pdp, probe: &Probe) -> Vec<String> {
    let schema = pdp.schema();
    let sampled: HashSet<&str> = probe.samples.iter().map(|s| s.entity.kind()).collect();
    let mut missing = BTreeMap::new();
    for action in actions(pdp) {
        for (kind, _) in schema.kind_names() {
            if !sampled.contains(kind) && schema.action_accepts(&action, kind) {
                missing.entry(kind.to_owned()).or_insert_with(|| action.clone());
            }
        }
    }
    missing
        .into_iter()
        .map(|(kind, action)| {
            format!("no sample of type `{kind}`, which `{action}` is asked about")
        })
        .collect()
}

fn columns(probe: &Probe) -> Vec<Column> {
    let ambiguous = |title: &str| probe.columns.iter().filter(|c| c.title == title).count() > 1;
    let column = |column: &super::ProbeColumn| {
        let (group, title) = (column.group.clone(), column.title.clone());
        let name = if ambiguous(&title) { format!("{group} {title}") } else { title.clone() };
        Column { group, title, name: name.trim().to_owned() }
    };
    probe.columns.iter().map(column).collect()
}

/// Takes the variants under which somebody is denied everything out of that column's cells.
fn bar(rows: &mut [Row], columns: &[Column], variants: usize) -> Vec<(usize, Vec<String>)> {
    let mut barred = Vec::new();
    for variant in 0..variants {
        let mut names = Vec::new();
        for (place, column) in columns.iter().enumerate() {
            let cells = || rows.iter().filter_map(|row| row.cells.get(place));
            // Allowed, and under the variant not: every cell that is allowed must be so.
            let bars = |cell: &Cell| match cell {
                Cell::Denied => None,
                Cell::Unless(found) => Some(found.contains(&variant)),
                Cell::Allowed => Some(false),
                Cell::If(found) => found.contains(&variant).then_some(false),
            };
            let mut judged = cells().filter_map(bars).peekable();
            if judged.peek().is_none() || !judged.all(|bars| bars) {
                continue;
            }
            names.push(column.name.clone());
            for cell in rows.iter_mut().filter_map(|row| row.cells.get_mut(place)) {
                if let Cell::Unless(found) = cell {
                    found.retain(|number| *number != variant);
                    if found.is_empty() {
                        *cell = Cell::Allowed;
                    }
                }
            }
        }
        if !names.is_empty() {
            barred.push((variant, names));
        }
    }
    barred
}

fn idle(probe: &Probe, rows: &[Row], barred: &[(usize, Vec<String>)]) -> Vec<String> {
    let mut used: HashSet<usize> = barred.iter().map(|(number, _)| *number).collect();
    for cell in rows.iter().flat_map(|row| &row.cells) {
        if let Cell::Unless(variants) | Cell::If(variants) = cell {
            used.extend(variants.iter().copied());
        }
    }
    let variants = probe.variants.iter().enumerate();
    variants.filter(|(number, _)| !used.contains(number)).map(|(_, v)| v.name.clone()).collect()
}

impl<'p> Setting<'p> {
    fn build(
        pdp: &Pdp,
        probe: &Probe,
        principals: &[EntityRecord],
        variant: Option<&'p Variant>,
    ) -> Result<Self, Vec<String>> {
        let schema = pdp.schema();
        let none = Changes::default();
        let given = variant.map_or(&none, |variant| &variant.given);
        let world = World::build(schema, &probe.entities, principals, given)?;
        let all = probe.entities.iter().chain(principals).map(|record| &record.uid);
        let touched = all.filter(|uid| given.touches(uid)).filter_map(|uid| schema.cedar_uid(uid));
        let names = variant.map(|v| &v.scopes).filter(|names| !names.is_empty());
        let names = names.unwrap_or(&probe.scopes).iter().map(String::as_str);
        let scopes = Scopes::new(names).map_err(|error| vec![error.to_string()])?;
        let seconds = match variant.and_then(|variant| variant.now) {
            None => USUAL_SECONDS,
            Some(now) => u64::try_from(now.as_second())
                .map_err(|_| vec![format!("`{now}` is before 1970")])?,
        };
        let touched = touched.collect();
        Ok(Self { variant, world, scopes, now: UnixNanos::from_seconds(seconds), touched })
    }

    /// Whether the answer can be another one than without the variant: a fact of the request is, or an
    /// entity that conditions can look into.
    fn matters(&self, who: &EntityUid, resource: &EntityUid) -> bool {
        let facts = self.variant.is_none_or(Variant::changes_facts);
        let within = || {
            let principal = self.world.principal(who)?;
            let node = self.world.partition.find(resource)?;
            let slice = self.world.partition.slice(principal, &node)?;
            Some(slice.iter().any(|entity| self.touched.contains(entity.uid())))
        };
        facts || within().unwrap_or(true)
    }

    fn ask(
        &self,
        pdp: &Pdp,
        who: &EntityUid,
        action: &ActionId,
        resource: &EntityUid,
    ) -> Option<Decision> {
        let facts = Facts {
            method: method_of(who),
            connection: self.variant.and_then(|variant| variant.connection.as_ref()),
            scopes: &self.scopes,
            source: self.variant.and_then(|variant| variant.source).unwrap_or(USUAL_SOURCE),
            now: self.now,
        };
        let principal = self.world.principal(who)?;
        let question = Question { principal, action, resource, context: facts };
        Some(pdp.decide(None, &self.world.partition, &question))
    }
}

struct Asking<'a, 'p> {
    pdp: &'a Pdp,
    /// The probe as it is written comes first.
    settings: &'a [Setting<'p>],
    deciding: HashSet<Arc<str>>,
}

impl Asking<'_, '_> {
    fn cell(&mut self, who: &EntityUid, action: &ActionId, resource: &EntityUid) -> Cell {
        let settings = self.settings;
        let Some((plain, variants)) = settings.split_first() else { return Cell::Denied };
        let usual = self.allowed(plain, who, action, resource);
        let mut otherwise = Vec::new();
        for (number, setting) in variants.iter().enumerate() {
            if setting.matters(who, resource)
                && self.allowed(setting, who, action, resource) != usual
            {
                otherwise.push(number);
            }
        }
        match (usual, otherwise.is_empty()) {
            (true, true) => Cell::Allowed,
            (false, true) => Cell::Denied,
            (true, false) => Cell::Unless(otherwise),
            (false, false) => Cell::If(otherwise),
        }
    }

    fn allowed(
        &mut self,
        setting: &Setting<'_>,
        who: &EntityUid,
        action: &ActionId,
        resource: &EntityUid,
    ) -> bool {
        // Who is not there is denied; that they are was checked when the setting was built.
        let Some(decision) = setting.ask(self.pdp, who, action, resource) else { return false };
        self.deciding.extend(decision.determining().iter().cloned());
        decision.allowed()
    }
}
