//! What every record about a flow says, in the order in which readers look for it.

use std::borrow::Cow;
use std::net::IpAddr;

use backstop_capture::handler::{Cause, FlowView};
use backstop_protocols::AppProto;
use backstop_types::{Direction, Endpoint, IpProto, PacketTime};
use serde::Serialize;

use super::EveSettings;
use super::community_id::CommunityId;
use super::time::Timestamp;

/// The common fields.
#[derive(Serialize)]
pub struct Common<'a> {
    timestamp: Timestamp,
    flow_id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_iface: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pcap_cnt: Option<u64>,
    event_type: &'a str,
    #[serde(skip_serializing_if = "<[u16]>::is_empty")]
    vlan: &'a [u16],
    src_ip: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_port: Option<u16>,
    dest_ip: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    dest_port: Option<u16>,
    proto: Cow<'static, str>,
    ip_v: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pkt_src: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    community_id: CommunityId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pcap_filename: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tx_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_proto: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<&'static str>,
}

impl<'a> Common<'a> {
    /// Source is the flow's initiator.
    pub fn of_flow(settings: &'a EveSettings, event_type: &'a str, time: PacketTime, flow: &'a FlowView) -> Self {
        let ports = matches!(flow.proto, IpProto::TCP | IpProto::UDP | IpProto::SCTP);
        let port = |end: Endpoint| ports.then_some(end.port);
        Self {
            timestamp: Timestamp(time),
            flow_id: flow.id.get(),
            in_iface: settings.interface.as_deref(),
            pcap_cnt: None,
            event_type,
            vlan: flow.vlan.as_slice(),
            src_ip: flow.client.addr,
            src_port: port(flow.client),
            dest_ip: flow.server.addr,
            dest_port: port(flow.server),
            proto: flow.proto.name().map_or_else(|| Cow::Owned(format!("{:03}", flow.proto.0)), Cow::Borrowed),
            ip_v: if flow.key.is_ipv4() { 4 } else { 6 },
            pkt_src: None,
            host: settings.host.as_deref(),
            community_id: CommunityId::of(&flow.key),
            pcap_filename: file_name(settings, flow.file),
            tx_id: None,
            app_proto: None,
            direction: None,
        }
    }

    /// With the packet that caused the record.
    pub fn caused_by(mut self, settings: &'a EveSettings, cause: &Cause) -> Self {
        self.pcap_cnt = (settings.interface.is_none() && cause.file_number > 0).then_some(cause.file_number);
        if let Some(name) = file_name(settings, cause.file) {
            self.pcap_filename = Some(name);
        }
        self
    }

    /// Source is the sender of the evidence, as readers of alerts expect.
    pub fn sent(mut self, direction: Direction) -> Self {
        if direction == Direction::ToClient {
            std::mem::swap(&mut self.src_ip, &mut self.dest_ip);
            std::mem::swap(&mut self.src_port, &mut self.dest_port);
        }
        self.direction = Some(direction.as_str());
        self.pkt_src = Some("wire/pcap");
        self
    }

    /// With the number of the transaction.
    pub fn transaction(mut self, tx_id: Option<u64>) -> Self {
        self.tx_id = tx_id;
        self
    }

    /// With the flow's protocol.
    pub fn protocol(mut self, app_proto: Option<AppProto>) -> Self {
        self.app_proto = app_proto.map(AppProto::name);
        self
    }

    /// With a word in place of a protocol.
    pub fn protocol_word(mut self, word: &'static str) -> Self {
        self.app_proto = Some(word);
        self
    }
}

fn file_name(settings: &EveSettings, file: u32) -> Option<&str> {
    usize::try_from(file).ok().and_then(|file| settings.files.get(file)).map(String::as_str)
}

/// The counts of a flow, as `flow` records and alerts both say them.
#[derive(Serialize)]
pub struct Counts {
    pkts_toserver: u64,
    pkts_toclient: u64,
    bytes_toserver: u64,
    bytes_toclient: u64,
    start: Timestamp,
}

impl Counts {
    /// The counts so far.
    pub fn of(flow: &FlowView) -> Self {
        Self {
            pkts_toserver: flow.to_server.packets,
            pkts_toclient: flow.to_client.packets,
            bytes_toserver: flow.to_server.bytes,
            bytes_toclient: flow.to_client.bytes,
            start: Timestamp(flow.start),
        }
    }
}
