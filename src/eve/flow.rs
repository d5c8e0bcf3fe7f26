//! `flow`: written when a flow ends.

use backstop_capture::handler::{Cause, EndReason, FlowState, FlowView};
use backstop_capture::packet::flags;
use backstop_protocols::AppProto;
use backstop_types::IpProto;
use serde::Serialize;

use super::common::{Common, Counts};
use super::time::Timestamp;
use super::{EveSettings, write_line};

/// What the sensor knows of the flow besides its packets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    /// Protocol.
    pub app_proto: Option<AppProto>,
    /// Detection gave up.
    pub unknown: bool,
    /// An alert was raised.
    pub alerted: bool,
    /// Transactions recorded.
    pub transactions: u64,
}

#[derive(Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    common: Common<'a>,
    flow: Flow,
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp: Option<Tcp>,
}

#[derive(Serialize)]
struct Flow {
    #[serde(flatten)]
    counts: Counts,
    end: Timestamp,
    age: u64,
    state: &'static str,
    reason: &'static str,
    alerted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    tx_cnt: Option<u64>,
}

#[derive(Serialize)]
struct Tcp {
    tcp_flags: String,
    tcp_flags_ts: String,
    tcp_flags_tc: String,
    #[serde(skip_serializing_if = "is_false")]
    syn: bool,
    #[serde(skip_serializing_if = "is_false")]
    fin: bool,
    #[serde(skip_serializing_if = "is_false")]
    rst: bool,
    #[serde(skip_serializing_if = "is_false")]
    psh: bool,
    #[serde(skip_serializing_if = "is_false")]
    ack: bool,
    #[serde(skip_serializing_if = "is_false")]
    urg: bool,
    state: &'static str,
    #[serde(skip_serializing_if = "is_false")]
    ts_gap: bool,
    #[serde(skip_serializing_if = "is_false")]
    tc_gap: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes by reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

const fn state(state: FlowState) -> &'static str {
    match state {
        FlowState::New => "new",
        FlowState::Established => "established",
        FlowState::Closed => "closed",
    }
}

fn tcp(flow: &FlowView) -> Tcp {
    let (ts, tc) = (flow.to_server.tcp_flags, flow.to_client.tcp_flags);
    let all = ts | tc;
    let has = |flag| all & flag != 0;
    Tcp {
        tcp_flags: format!("{all:02x}"),
        tcp_flags_ts: format!("{ts:02x}"),
        tcp_flags_tc: format!("{tc:02x}"),
        syn: has(flags::SYN),
        fin: has(flags::FIN),
        rst: has(flags::RST),
        psh: has(flags::PSH),
        ack: has(flags::ACK),
        urg: has(flags::URG),
        state: state(flow.state),
        ts_gap: flow.to_server.gap,
        tc_gap: flow.to_client.gap,
    }
}

/// Writes the record of a flow that has ended.
pub fn write(out: &mut Vec<u8>, settings: &EveSettings, flow: &FlowView, summary: &Summary, reason: EndReason, cause: &Cause) {
    let mut common = Common::of_flow(settings, "flow", cause.time.max(flow.last), flow).protocol(summary.app_proto);
    if summary.app_proto.is_none() && summary.unknown {
        common = common.protocol_word("failed");
    }
    let record = Record {
        common,
        flow: Flow {
            counts: Counts::of(flow),
            end: Timestamp(flow.last),
            age: flow.last.since(flow.start).as_secs(),
            state: state(flow.state),
            reason: reason.as_str(),
            alerted: summary.alerted,
            tx_cnt: (summary.transactions > 0).then_some(summary.transactions),
        },
        tcp: (flow.proto == IpProto::TCP).then(|| tcp(flow)),
    };
    write_line(out, &record);
}
