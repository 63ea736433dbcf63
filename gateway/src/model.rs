//! The words every module shares: ids, entities, principals, refusals, secrets, time.
//!
//! Floor 0. It must never do I/O, read a clock or know a module above it.

mod clock;
mod connection;
mod entity;
mod entropy;
mod ids;
mod network;
mod policy;
mod principal;
mod refusal;
mod scopes;
mod secret;
mod source;

pub use clock::{Clock, ManualClock, SystemClock, UnixNanos};
pub use connection::{Connection, ConnectionKey};
pub use entity::{Change, EntityRecord, EntityUid, EntityUidError, RoleAssignment};
pub use entropy::{Entropy, EntropyError, OsEntropy};
pub use ids::{
    ActionId, ConnectionId, DecisionId, FamilyId, IdError, KeyId, MemberId, RouteId, ServiceId,
    SnapshotId, TenantId,
};
pub use network::{NetworkError, lies_in, network};
pub use policy::PolicySource;
pub use principal::{AuthMethod, PersonId, Principal};
pub use refusal::{Dependency, ErrorStyle, Malformed, Refusal, TokenRefusal};
pub use scopes::{ScopeError, Scopes};
pub use secret::{
    ACCESS_TOKEN_PREFIX, API_KEY_PREFIX, CREDENTIAL_PREFIXES, REFRESH_TOKEN_PREFIX, Secret,
};
pub use source::Source;
