//! The enforcement door (PEP): listens, turns a Pingora session into a canonical request, applies an
//! outcome, forwards. It never decides.

mod arrival;
mod body;
mod certificates;
mod door;
mod exchange;
mod generations;
mod hand_over;
mod live;
mod observe;
mod phases;
mod reply;
mod services;
mod sockets;
mod spans;
mod tunnel;
mod upstream_head;
mod watch;
mod websocket;

pub use certificates::CertificateStore;
pub use door::{Door, DoorLimits, Listen, ListenError};
pub use generations::Generations;
pub use hand_over::HandOver;
pub use observe::{Observe, ObserveService, Readiness};
pub use services::{HealthCheck, ServiceError, ServiceSettings, Services, UpstreamTls};
pub use sockets::{OnSockets, SocketError, Sockets};
