//! The words that all crates of Backstop share: packet time, direction, endpoint, flow key, flow id, secrets.
//!
//! No dependencies, no I/O, no decisions.

mod direction;
mod endpoint;
mod fields;
mod flow_id;
mod flow_key;
mod secret;
mod time;

pub use direction::{Direction, PerDirection};
pub use endpoint::{Endpoint, IpProto};
pub use fields::{Fields, Value};
pub use flow_id::FlowId;
pub use flow_key::{FlowKey, Side};
pub use secret::Secret;
pub use time::PacketTime;
