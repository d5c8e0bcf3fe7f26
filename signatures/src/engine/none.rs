//! The engine of a build without YARA: no rule, no match.

use std::ops::Range;
use std::time::Duration;

use super::{Built, Places};
use crate::error::{RuleError, ScanError};
use crate::matches::RuleInfo;
use crate::source::Source;

pub(crate) const ENGINE_VERSION: &str = "none";

pub(crate) struct Compiled;

impl Compiled {
    pub(crate) fn build(_sources: &[Source]) -> Result<Built, RuleError> {
        Ok(Built { compiled: Self, stream_literals: Some(Vec::new()), content_literals: Some(Vec::new()) })
    }

    pub(crate) fn serialize(&self) -> Option<Vec<u8>> {
        None
    }

    pub(crate) fn deserialize(_bytes: &[u8]) -> Option<Self> {
        None
    }

    pub(crate) fn infos(&self) -> Vec<RuleInfo> {
        Vec::new()
    }
}

/// Never made: there are no matches.
pub(crate) struct Hit<'a, 'r>(std::marker::PhantomData<(&'a (), &'r ())>);

impl<'r> Hit<'_, 'r> {
    pub(crate) fn namespace(&self) -> &str {
        ""
    }

    pub(crate) fn name(&self) -> &str {
        ""
    }

    pub(crate) fn each_string(&self, _visit: impl FnMut(u32, &'r str, Range<usize>) -> bool) {}
}

pub(crate) struct Engine<'r>(std::marker::PhantomData<&'r Compiled>);

impl<'r> Engine<'r> {
    pub(crate) fn new(_compiled: &'r Compiled, _time_limit: Duration) -> Self {
        Self(std::marker::PhantomData)
    }

    pub(crate) fn scan(&mut self, _bytes: &[u8], _places: Places, _hit: impl FnMut(&Hit<'_, 'r>)) -> Result<(), ScanError> {
        Ok(())
    }

    pub(crate) fn set_file_name(&mut self, _name: &str) {}
}
