//! Addresses of flows that are on a list of indicators (9405001): looked up once a flow, told when it is known whether both sides
//! spoke, or when that takes too long.

use std::sync::Arc;

use backstop_capture::handler::{Cause, FlowView};
use backstop_detectors::indicators::{self, Heard};
use backstop_types::{Direction, PacketTime};

use super::flow_state::FlowState;
use super::handler::Handler;

/// What is known of a flow's addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listed {
    /// They were not looked up.
    #[default]
    Unknown,
    /// One is on a list. The other side is heard of until then.
    Waits {
        /// Who spoke first.
        first: Direction,
        /// When it is told without an answer.
        until: PacketTime,
    },
    /// None is, or it was told.
    Done,
}

impl Listed {
    /// Whether time will decide.
    pub const fn wants_tick(self) -> bool {
        matches!(self, Self::Waits { .. })
    }
}

impl Handler<'_> {
    /// A direction brought data.
    pub(super) fn listed_data(&mut self, flow: &FlowView, state: &mut FlowState, direction: Direction, cause: &Cause) {
        match state.listed {
            Listed::Unknown => {
                let settings = Arc::clone(&self.settings);
                let context = Self::context(&settings, flow, state, cause);
                state.listed = if indicators::has_address(&context) {
                    Listed::Waits { first: direction, until: cause.time.plus(settings.detect.hold) }
                } else {
                    Listed::Done
                };
            }
            Listed::Waits { first, .. } if first != direction => self.tell_listed(flow, state, Heard::Both, (cause, cause)),
            Listed::Waits { .. } | Listed::Done => {}
        }
    }

    /// Time has passed; whether more of it will decide.
    pub(super) fn listed_tick(&mut self, flow: &FlowView, state: &mut FlowState, cause: &Cause) -> bool {
        let Listed::Waits { until, .. } = state.listed else { return false };
        if until > cause.time {
            return true;
        }
        let about = state.last_data;
        self.tell_listed(flow, state, Heard::OneSide, (cause, &about));
        false
    }

    /// The flow is over.
    pub(super) fn listed_end(&mut self, flow: &FlowView, state: &mut FlowState, cause: &Cause) {
        match state.listed {
            // All that was sent is missing from the capture.
            Listed::Unknown => self.tell_listed(flow, state, Heard::Nothing, (cause, cause)),
            Listed::Waits { .. } => {
                let about = state.last_data;
                self.tell_listed(flow, state, Heard::OneSide, (cause, &about));
            }
            Listed::Done => {}
        }
    }

    /// The flow is over and carried no byte: a connection that was only opened. Whether that was an alert.
    pub(super) fn listed_unopened(&mut self, flow: &FlowView, cause: &Cause) -> bool {
        let settings = Arc::clone(&self.settings);
        let context = Self::context_of(&settings, flow, None, cause);
        indicators::address(&context, Heard::Nothing).is_some_and(|finding| self.take_bare(flow, None, finding, cause))
    }

    fn tell_listed(&mut self, flow: &FlowView, state: &mut FlowState, heard: Heard, (at, about): (&Cause, &Cause)) {
        state.listed = Listed::Done;
        let settings = Arc::clone(&self.settings);
        let context = Self::context(&settings, flow, state, about);
        if let Some(finding) = indicators::address(&context, heard) {
            self.findings.findings.push(finding);
            self.take_findings(flow, state, at, about);
        }
    }
}
