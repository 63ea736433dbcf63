//! Random organisations, as plain as they can be told.

use hubgate::authz::Pdp;
use hubgate::model::{EntityRecord, EntityUid};
use serde_json::{Map, Value, json};

/// Deepest account below the main one.
const DEPTH_MAX: usize = 6;

/// Reproducible randomness: `SplitMix64`.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`, which is above zero.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((word ^ (word >> 31)) % bound as u64).unwrap()
    }

    /// True once in `times`.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Operator,
    Team,
    Site,
    ChargePoint,
    Wallet,
}

/// Something in the tree; the others are named by their numbers.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) kind: Kind,
    pub(super) parent: Option<usize>,
    pub(super) depth: usize,
    /// The team it belongs to.
    pub(super) team: Option<usize>,
    /// Of a team: frozen; its transactions are the operator's.
    pub(super) frozen: bool,
    pub(super) settled: bool,
}

#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) places: Vec<Place>,
    /// Put in front of every id.
    pub(super) prefix: String,
}

impl World {
    pub(super) fn random(dice: &mut Dice) -> Self {
        let mut world = Self { places: Vec::new(), prefix: String::new() };
        let accounts = 1 + dice.below(8);
        for n in 0..accounts {
            // Half of them below the newest one, so that trees grow deep.
            let choice = if dice.once_in(2) { n.saturating_sub(1) } else { dice.below(n.max(1)) };
            let parent = (n > 0).then_some(choice);
            let parent = parent.map(|it| if world.places[it].depth < DEPTH_MAX { it } else { 0 });
            world.add(Kind::Operator, parent, None);
        }
        for _ in 0..=dice.below(5) {
            let account = dice.below(accounts);
            let team = world.add(Kind::Team, Some(account), None);
            world.places[team].frozen = dice.once_in(4);
            world.places[team].settled = dice.once_in(4);
            let site = world.add(Kind::Site, Some(team), Some(team));
            let home = if dice.once_in(2) { site } else { team };
            world.add(Kind::ChargePoint, Some(home), Some(team));
            world.add(Kind::Wallet, Some(team), Some(team));
        }
        world.add(Kind::Wallet, Some(dice.below(accounts)), None);
        world
    }

    /// Up to three roles, each on some account.
    pub(super) fn random_roles(&self, dice: &mut Dice) -> Vec<(usize, usize)> {
        let accounts = self.places.iter().filter(|place| place.kind == Kind::Operator).count();
        (0..dice.below(4)).map(|_| (dice.below(4), dice.below(accounts))).collect()
    }

    fn add(&mut self, kind: Kind, parent: Option<usize>, team: Option<usize>) -> usize {
        let depth = parent.map_or(0, |parent| self.places[parent].depth + 1);
        let place = Place { kind, parent, depth, team, frozen: false, settled: false };
        self.places.push(place);
        self.places.len() - 1
    }

    pub(super) fn uid(&self, place: usize) -> EntityUid {
        let kind = format!("{:?}", self.places[place].kind);
        EntityUid::new(&kind, &format!("{}{place}", self.prefix)).unwrap()
    }

    /// The account at or above a place.
    fn account(&self, mut place: usize) -> usize {
        while self.places[place].kind != Kind::Operator {
            place = self.places[place].parent.unwrap();
        }
        place
    }

    /// The entities. Everything that roles do not decide is as permissive as the domain has it; of the
    /// attributes, those that the schema knows.
    pub(super) fn records(&self, pdp: &Pdp) -> Vec<EntityRecord> {
        let entity = |place: usize| {
            let uid = self.uid(place);
            json!({ "__entity": { "type": uid.kind(), "id": uid.id() } })
        };
        let record = |(number, place): (usize, &Place)| {
            let uid = self.uid(number);
            let mut attributes = json!({
                "tier": "enterprise", "country": "DK", "kyb": "approved", "features": [],
                "hub_run": false, "bank_account": true, "kind": "professional",
                "vat_registered": true, "payment_card": true, "frozen": place.frozen,
                "billing": if place.settled { "operator_transaction" } else { "invoice" },
                "operator": entity(self.account(number)),
            });
            if let Some(team) = place.team {
                attributes["team"] = entity(team);
            }
            let known = |name: &str| pdp.schema().knows_attribute(uid.kind(), name);
            let all: Map<String, Value> = serde_json::from_value(attributes).unwrap();
            let attributes = all.into_iter().filter(|(name, _)| known(name)).collect();
            let parents = place.parent.map(|parent| self.uid(parent)).into_iter().collect();
            EntityRecord { uid, parents, attributes }
        };
        self.places.iter().enumerate().map(record).collect()
    }
}
