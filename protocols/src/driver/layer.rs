//! One layer of a flow: a parser, and what it left of each direction.

use backstop_types::PerDirection;

use crate::contract::{Parser, Surroundings};
use crate::registry::AppProto;

/// One direction of a layer.
#[derive(Default)]
pub(super) struct Lane {
    pub(super) buffer: Vec<u8>,
    /// Bytes wanted before the parser is called again.
    pub(super) need: usize,
    /// Stream bytes to pass over.
    pub(super) skip: u64,
    /// The layer is done with this direction: bytes go through to the next layer.
    pub(super) through: bool,
    pub(super) closed: bool,
    /// Bytes went by before the protocol was known.
    pub(super) missed: u64,
}

pub(super) enum State {
    /// First bytes are being looked at.
    Probing,
    /// A parser is at work.
    Parsing(Box<dyn Parser>),
    /// Not known, or given up: bytes end here.
    Dead,
}

pub(super) struct Layer {
    pub(super) app_proto: Option<AppProto>,
    pub(super) state: State,
    pub(super) lanes: PerDirection<Lane>,
    /// What its parser confirmed last.
    pub(super) confirmed: Option<AppProto>,
}

impl Layer {
    pub(super) fn new(app_proto: Option<AppProto>, around: &Surroundings) -> Self {
        let state = match app_proto {
            Some(known) => State::Parsing((known.protocol().parser)(around)),
            None => State::Probing,
        };
        Self { app_proto, state, lanes: PerDirection::default(), confirmed: None }
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(&self.state, State::Parsing(parser) if parser.is_waiting())
    }

    pub(super) fn dead() -> Self {
        Self { app_proto: None, state: State::Dead, lanes: PerDirection::default(), confirmed: None }
    }
}
