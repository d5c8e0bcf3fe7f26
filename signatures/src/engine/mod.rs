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

/// Which places of the strings a scan is to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Places {
    /// At least the first of each string: for evidence.
    First,
    /// Every one, up to a bound: in a stream the first may be known already, or stand where it does not count.
    All,
}

/// Compiled rules and the literals without which none of them matches, for streams and for content; none where a rule needs nothing.
pub(crate) struct Built {
    pub(crate) compiled: Compiled,
    pub(crate) stream_literals: Option<Vec<Vec<u8>>>,
    pub(crate) content_literals: Option<Vec<Vec<u8>>>,
}
