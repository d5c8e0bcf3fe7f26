//! Fuzz targets as plain functions: libFuzzer calls them with inputs of its own, `tests/fuzz_corpus.rs` with the committed
//! corpora and regressions, so that what was found once stays found on a stable compiler.
//!
//! A target panics when an invariant does not hold. Beyond "no panic" they state what the layer promises: bytes in order
//! and once, memory within its caps, the same events whatever the segmentation.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a target reports by panicking"
)]

pub mod content;
pub mod dcerpc;
pub mod dns;
pub mod files;
pub mod frames;
pub mod http;
pub mod indicators;
pub mod ledger;
pub mod nbfx;
pub mod nrbf;
pub mod nrtp;
pub mod parser;
pub mod pgsql;
pub mod reassembly;
pub mod seeds;
pub mod smb;
pub mod split;
pub mod sql_text;
pub mod tds;
pub mod tls_hello;
pub mod tls_keys;
pub mod tls_sealed;
pub mod tls_session;
pub mod winrm;

/// A target by the name of its corpus.
pub struct Target {
    /// Name of the binary and of the folders of its corpus and regressions.
    pub name: &'static str,
    /// Runs one input.
    pub run: fn(&[u8]),
}

/// Every target.
pub static TARGETS: &[Target] = &[
    Target { name: "frames", run: frames::run },
    Target { name: "reassembly", run: reassembly::run },
    Target { name: "parser", run: parser::run },
    Target { name: "tls_hello", run: tls_hello::run },
    Target { name: "tls_keys", run: tls_keys::run },
    Target { name: "tls_sealed", run: tls_sealed::run },
    Target { name: "tls_session", run: tls_session::run },
    Target { name: "smb", run: smb::run },
    Target { name: "dcerpc", run: dcerpc::run },
    Target { name: "tds", run: tds::run },
    Target { name: "pgsql", run: pgsql::run },
    Target { name: "http", run: http::run },
    Target { name: "dns", run: dns::run },
    Target { name: "winrm", run: winrm::run },
    Target { name: "files", run: files::run },
    Target { name: "nbfx", run: nbfx::run },
    Target { name: "nrbf", run: nrbf::run },
    Target { name: "nrtp", run: nrtp::run },
    Target { name: "sql_text", run: sql_text::run },
    Target { name: "content", run: content::run },
    Target { name: "indicators", run: indicators::run },
];
