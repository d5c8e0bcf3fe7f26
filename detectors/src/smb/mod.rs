//! Detections on SMB (section 4 of the catalogue).
//!
//! ```text
//! file on a share ─► files ─► script (9404001), executable (9404002); contents of scripts ─► content::inspect (9403001 …)
//! tree connects   ─► spread (9404010), counted over flows by the correlator
//! pipes           ─► enumeration (9404011): DCE/RPC, as far as it names the operation
//! ```
//! What an alert says of its file stands in `context.file`; `context.smb` and `context.files` have Suricata's shapes and become
//! objects of the record itself.

mod config;
pub mod enumeration;
mod evidence;
mod executable;
pub mod files;
mod held;
mod names;
mod script;
pub mod spread;
#[cfg(test)]
mod tests;
mod watched;

pub use config::SmbConfig;
