//! What compiles and scans: YARA-X, or nothing in a build without the cargo feature `yara`.

#[cfg(not(feature = "yara"))]
mod none;
#[cfg(feature = "yara")]
mod requirement;
#[cfg(feature = "yara")]
mod yara;

#[cfg(not(feature = "yara"))]
pub(crate) use none::{Compiled, ENGINE_VERSION, Engine, Hit};
#[cfg(feature = "yara")]
pub(crate) use yara::{Compiled, ENGINE_VERSION, Engine, Hit};

/// Compiled rules and the literals without which none of them matches, for streams and for content; none where a rule needs nothing.
pub(crate) struct Built {
    pub(crate) compiled: Compiled,
    pub(crate) stream_literals: Option<Vec<Vec<u8>>>,
    pub(crate) content_literals: Option<Vec<Vec<u8>>>,
}
