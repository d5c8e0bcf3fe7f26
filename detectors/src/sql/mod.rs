//! Detections on SQL servers (section 2 of the catalogue), SQL Server and PostgreSQL alike.
//!
//! ```text
//! request ─► asked (texts, calls, parameters) ─► content::sql ─► conditions, tables ─► held ─► reply: alert with its outcome
//! login   ─► logins ─► counted over flows by the correlator
//! ```
//! A request is read once for all that it may be. Whether the client is a backup server, the correlator decides.

mod asked;
mod commands;
mod config;
mod evidence;
pub mod logins;
mod secrets;
pub mod statements;
#[cfg(test)]
mod tests;

pub use config::SqlConfig;
