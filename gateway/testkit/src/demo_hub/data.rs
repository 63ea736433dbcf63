//! What the demo hub knows. The ids are those of the demo organisations' resources.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// All objects by id.
#[derive(Debug)]
pub(super) struct Data {
    teams: BTreeMap<String, Value>,
    charge_points: BTreeMap<String, Value>,
    wallets: BTreeMap<String, Value>,
}

impl Data {
    pub(super) fn demo() -> Self {
        let resources = include_str!("../../demo/hub.json");
        let document: Value = serde_json::from_str(resources).unwrap_or_default();
        Self {
            teams: objects(&document, "teams"),
            charge_points: objects(&document, "charge_points"),
            wallets: objects(&document, "wallets"),
        }
    }

    pub(super) fn teams(&self) -> Value {
        self.teams.values().cloned().collect()
    }

    pub(super) fn team(&self, id: &str) -> Option<Value> {
        self.teams.get(id).cloned()
    }

    pub(super) fn rename_team(&mut self, id: &str, name: &str) -> Option<Value> {
        let team = self.teams.get_mut(id)?;
        team.as_object_mut()?.insert("name".into(), name.into());
        Some(team.clone())
    }

    pub(super) fn charge_point(&self, id: &str) -> Option<Value> {
        self.charge_points.get(id).cloned()
    }

    pub(super) fn reboot(&self, id: &str) -> Option<Value> {
        self.charge_points.get(id).map(|_| json!({"charge_point": id, "state": "rebooting"}))
    }

    pub(super) fn wallet(&self, id: &str) -> Option<Value> {
        self.wallets.get(id).cloned()
    }

    pub(super) fn withdraw(&mut self, id: &str, amount: i64) -> Option<Value> {
        let wallet = self.wallets.get_mut(id)?;
        let balance = wallet.get("balance")?.as_i64()?;
        if amount <= 0 || amount > balance {
            return Some(json!({"refused": "not that much in the wallet", "balance": balance}));
        }
        wallet.as_object_mut()?.insert("balance".into(), (balance - amount).into());
        Some(wallet.clone())
    }
}

fn objects(document: &Value, kind: &str) -> BTreeMap<String, Value> {
    let list = document.get(kind).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|object| {
        let id = object.get("id")?.as_str()?;
        Some((String::from(id), object.clone()))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_file_holds_objects_of_every_kind() {
        let data = Data::demo();
        for kind in [&data.teams, &data.charge_points, &data.wallets] {
            assert!(!kind.is_empty());
        }
    }

    #[test]
    fn a_withdrawal_lowers_the_balance_and_never_below_zero() {
        let mut data = Data::demo();
        let id = data.wallets.keys().next().unwrap().clone();
        let before = data.wallet(&id).unwrap()["balance"].as_i64().unwrap();
        assert_eq!(data.withdraw(&id, 1).unwrap()["balance"], before - 1);
        assert!(data.withdraw(&id, before).unwrap().get("refused").is_some());
        assert!(data.withdraw(&id, -5).unwrap().get("refused").is_some());
    }
}
