//! Decoding of content, whatever carried it, and the one door to the detections on it.
//!
//! ```text
//! carrier ─► inspect ─► unfold: text encodings, packed bytes, command lines, PowerShell ─► layers, facts
//!                          └─► powershell (section 3 of the catalogue): findings;  layers to the content rules
//! ```
//! Only [`inspect`] knows detections; what is below it decodes. Depth, number of layers, tokens and output are bounded by
//! [`ContentConfig`], and the work is linear in the input and in what is unfolded from it.

mod command_line;
mod config;
mod encoding;
mod gate;
mod inspect;
pub mod magic;
mod pack;
pub mod powershell;
pub mod sql;
mod unfold;

pub use command_line::{Invocation, arguments, commands, invocation};
pub use config::{Budget, ContentConfig};
pub use encoding::{Encoding, base64, text};
pub use gate::may_be_code;
pub use inspect::{Carrier, Inspection, inspect, named};
pub use unfold::{Called, Kind, Layer, Unfolding, unfold};
