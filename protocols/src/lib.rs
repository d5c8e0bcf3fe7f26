//! Streams to transactions: sans-IO parsers, one folder a protocol.
//!
//! A parser sees contiguous bytes of one direction, gaps, and the end of the stream. It never sees packets,
//! addresses, threads or alerts, and never decides what is malicious.
//! [`Driver`] runs a chain of parsers over one flow: it probes, buffers what a parser left, and follows upgrades.

pub mod contract;
pub mod cursor;
pub mod driver;
mod handed_on;
pub mod mask;
mod registry;
pub mod sql;
#[doc(hidden)]
pub mod testing;

pub use contract::{
    Advance, Anomaly, Content, Datagrams, FilePart, FileState, Limits, ParseError, Parser, Probe, Protocol, Sink, Surroundings,
};
pub use driver::Driver;
pub use registry::{
    AppProto, DATAGRAMS, PROTOCOLS, Transaction, dcerpc, dns, echo, http, nbfse, nmf, nrbf, nrtp, pgsql, smb, soap, tds, tls,
    veeam, winrm,
};
