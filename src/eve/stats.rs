//! `stats`: the counters that dashboards for Suricata know, under the names they know.

use serde::Serialize;

use super::time::Timestamp;
use super::{EveSettings, write_line};
use crate::pipeline::collector::Written;
use crate::pipeline::stats::Totals;

#[derive(Serialize)]
struct Record<'a> {
    timestamp: Timestamp,
    event_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    stats: Stats,
}

/// Declares an object of counters.
macro_rules! counters {
    ($($name:ident { $($field:ident),* $(,)? })*) => {
        $(#[derive(Serialize)] struct $name { $($field: u64),* })*
    };
}
counters! {
    Capture { kernel_packets, kernel_drops, kernel_ifdrops, errors }
    Decoder {
        pkts, bytes, invalid, ipv4, ipv6, tcp, udp, vlan, vlan_qinq, mpls, pppoe, gre, erspan, vxlan, geneve, too_many_layers,
        avg_pkt_size
    }
    Flow { total, active, tcp, udp, tcp_reuse, memuse, memcap, emerg_mode_entered }
    Tcp {
        sessions, syn, synack, rst, invalid_checksum, midstream_pickups, overlap, overlap_diff_data, reassembly_gap,
        segment_memcap_drop, stream_depth_reached, ack_unseen_data, urg
    }
    PerProtocol { http, tls, smb, dcerpc_tcp, pgsql, dns_tcp, dns_udp }
    PerFlow { http, tls, smb, dcerpc_tcp, pgsql, dns_tcp, dns_udp, failed_tcp }
    Detect { alert, alerts_suppressed }
    Memcap { pressure }
}

#[derive(Serialize)]
struct Stats {
    uptime: u64,
    capture: Capture,
    decoder: Decoder,
    flow: Flow,
    tcp: Tcp,
    app_layer: AppLayer,
    detect: Detect,
    memcap: Memcap,
}

#[derive(Serialize)]
struct AppLayer {
    flow: PerFlow,
    tx: PerProtocol,
}

/// Writes the record.
pub fn write(out: &mut Vec<u8>, settings: &EveSettings, totals: &Totals, written: &Written) {
    let (decode, streams, app, scan) = (&totals.decode, &totals.workers.streams, &totals.workers.app, &totals.workers.scan);
    let stats = Stats {
        uptime: totals.uptime(),
        capture: Capture {
            kernel_packets: totals.source.received,
            kernel_drops: totals.source.dropped,
            kernel_ifdrops: totals.source.if_dropped,
            errors: totals.source.errors,
        },
        decoder: Decoder {
            pkts: decode.packets,
            bytes: decode.bytes,
            invalid: decode.invalid,
            ipv4: decode.ipv4,
            ipv6: decode.ipv6,
            tcp: decode.tcp,
            udp: decode.udp,
            vlan: decode.vlan,
            vlan_qinq: decode.vlan_qinq,
            mpls: decode.mpls,
            pppoe: decode.pppoe,
            gre: decode.gre,
            erspan: decode.erspan,
            vxlan: decode.vxlan,
            geneve: decode.geneve,
            too_many_layers: decode.too_many_layers,
            avg_pkt_size: decode.bytes.checked_div(decode.packets).unwrap_or(0),
        },
        flow: Flow {
            total: streams.flows,
            active: totals.workers.active,
            tcp: streams.tcp_flows,
            udp: streams.udp_flows,
            tcp_reuse: streams.tuple_reuse,
            memuse: totals.workers.memory,
            memcap: streams.flows_evicted,
            emerg_mode_entered: u64::from(streams.flows_evicted > 0),
        },
        tcp: Tcp {
            sessions: streams.sessions,
            syn: streams.syn,
            synack: streams.synack,
            rst: streams.rst,
            invalid_checksum: streams.bad_checksum,
            midstream_pickups: streams.midstream_pickup,
            overlap: streams.overlap_same_data + streams.overlap_different_data,
            overlap_diff_data: streams.overlap_different_data,
            reassembly_gap: streams.gap,
            segment_memcap_drop: streams.flow_memcap_drop + streams.memcap_drop,
            stream_depth_reached: scan.depth_reached,
            ack_unseen_data: streams.invalid_ack,
            urg: streams.urgent,
        },
        app_layer: AppLayer {
            flow: PerFlow {
                http: app.http_flows,
                tls: app.tls_flows,
                smb: app.smb_flows,
                dcerpc_tcp: app.dcerpc_tcp_flows,
                pgsql: app.pgsql_flows,
                dns_tcp: app.dns_tcp_flows,
                dns_udp: app.dns_udp_flows,
                failed_tcp: app.unknown_flows,
            },
            tx: PerProtocol {
                http: app.http_transactions,
                tls: app.tls_transactions,
                smb: app.smb_transactions,
                dcerpc_tcp: app.dcerpc_tcp_transactions,
                pgsql: app.pgsql_transactions,
                dns_tcp: app.dns_tcp_transactions,
                dns_udp: app.dns_udp_transactions,
            },
        },
        detect: Detect { alert: written.alerts, alerts_suppressed: written.suppressed },
        memcap: Memcap { pressure: totals.workers.memory.saturating_mul(100).checked_div(totals.memory_cap).unwrap_or(0) },
    };
    let record = Record { timestamp: Timestamp(totals.last.time), event_type: "stats", host: settings.host.as_deref(), stats };
    write_line(out, &record);
}
