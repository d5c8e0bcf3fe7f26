//! Every event that a limit, a damaged packet or an evasion attempt causes is counted here.
//! The names are those of EVE `sensor_stats` and are an interface.

/// Declares a set of counters: a struct of `u64` with `iter` (name and value) and `add`.
#[macro_export]
macro_rules! counters {
    ($(#[$outer:meta])* $name:ident { $($(#[$doc:meta])* $field:ident),* $(,)? }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name { $($(#[$doc])* pub $field: u64),* }

        impl $name {
            /// Name and value of every counter, in declaration order.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($field).trim_start_matches("r#"), self.$field)),*].into_iter()
            }

            /// Adds another set to this one.
            pub fn add(&mut self, other: &Self) {
                $(self.$field = self.$field.saturating_add(other.$field);)*
            }
        }
    };
}

counters! {
    /// What decoding met. One a decoder.
    DecodeCounters {
        /// Frames read.
        packets,
        /// Bytes of frames on the wire.
        bytes,
        /// IPv4 datagrams (innermost).
        ipv4,
        /// IPv6 datagrams (innermost).
        ipv6,
        /// TCP segments.
        tcp,
        /// UDP datagrams.
        udp,
        /// ICMP and ICMPv6 messages.
        icmp,
        /// Frames with at least one VLAN tag.
        vlan,
        /// Frames with two or more VLAN tags.
        vlan_qinq,
        /// MPLS label stacks.
        mpls,
        /// PPPoE sessions.
        pppoe,
        /// GRE headers.
        gre,
        /// ERSPAN headers.
        erspan,
        /// VXLAN headers.
        vxlan,
        /// Geneve headers.
        geneve,
        /// Encapsulations removed: tags, labels, tunnels, cooked and other non-Ethernet link layers, pcapng blocks.
        decap,
        /// Tunnels or tags nested beyond the cap.
        too_many_layers,
        /// Frames not IP (ARP, LLDP, …): counted, not wrong.
        not_ip,
        /// Frames that could not be decoded, all reasons.
        invalid,
        /// … because the link type is not known.
        unknown_link,
        /// … because a header was cut short.
        header_truncated,
        /// … because a header contradicts itself.
        header_malformed,
        /// IPv4 header checksum wrong: dropped as a receiver would.
        bad_ip_checksum,
        /// Captured length below the original length.
        truncated_packet,
        /// IPv6 datagrams with extension headers.
        ipv6_exthdr,
        /// IP fragments.
        ip_fragment,
        /// Fragments that repeat a known range with the same bytes.
        ip_fragment_duplicate,
        /// Datagrams discarded because overlapping fragments differ.
        ip_fragment_overlap,
        /// Datagrams forgotten because they stayed incomplete.
        ip_fragment_timeout,
        /// Fragments dropped because a memory cap was reached.
        ip_fragment_memcap,
        /// IPv6 fragment headers on whole datagrams (RFC 6946).
        ipv6_atomic_fragment,
        /// First IPv6 fragments without the whole header chain (RFC 7112).
        ipv6_first_fragment_incomplete,
        /// Datagrams put together from fragments.
        ip_reassembled,
    }
}

counters! {
    /// What the flow table and reassembly met. One a shard.
    StreamCounters {
        /// Flows created.
        flows,
        /// TCP flows created.
        tcp_flows,
        /// UDP flows created.
        udp_flows,
        /// Other flows created.
        other_flows,
        /// Flows ended, all reasons.
        flows_ended,
        /// Flows evicted under memory pressure.
        flows_evicted,
        /// Connection attempts without an answer that were forgotten.
        half_open_expired,
        /// Connection attempts dropped because the half-open table was full.
        half_open_evicted,
        /// SYN segments.
        syn,
        /// SYN-ACK segments.
        synack,
        /// RST segments.
        rst,
        /// Handshakes completed.
        sessions,
        /// Bytes delivered to parsers.
        delivered_bytes,
        /// Overlaps whose copies differ.
        overlap_different_data,
        /// Overlaps whose copies are the same, other than whole retransmissions.
        overlap_same_data,
        /// Whole retransmissions.
        retransmission,
        /// Segments that arrived before their turn.
        out_of_order,
        /// Data segments of fewer than the configured bytes (default 16).
        small_segments,
        /// TCP or UDP checksum wrong.
        bad_checksum,
        /// Checksum left to hardware (folded pseudo-header sum): accepted.
        checksum_offload,
        /// Checksum wrong on a side whose handshake had wrong ones and was answered: accepted.
        checksum_unusable,
        /// Data outside the receive window.
        out_of_window,
        /// Acknowledgement of data never sent.
        invalid_ack,
        /// Segments without the ACK flag.
        no_ack_flag,
        /// Time stamp older than the last (RFC 7323 PAWS).
        paws_drop,
        /// SYN inside an established connection.
        syn_in_established,
        /// Signed segments in a connection that is not signed.
        unexpected_md5,
        /// RST not exactly at the next expected sequence number.
        rst_invalid,
        /// FIN outside the window or with a wrong acknowledgement.
        fin_invalid,
        /// Data past a FIN.
        data_after_fin,
        /// Data after a valid RST.
        data_after_rst,
        /// SYN with data.
        data_on_syn,
        /// SYN data accepted by Fast Open.
        tfo,
        /// SYN repeated with another sequence number.
        syn_resent_different,
        /// SYN-ACK with a wrong acknowledgement.
        synack_wrong_ack,
        /// A new connection with the addresses and ports of an earlier one.
        tuple_reuse,
        /// Keep-alive probes.
        keepalive,
        /// Zero windows announced.
        zero_window,
        /// Segments with urgent data.
        urgent,
        /// Time to live far from that of the flow.
        ttl_anomaly,
        /// Flows picked up after their handshake.
        midstream_pickup,
        /// Flows of which one direction only was captured.
        r#async,
        /// Gaps: bytes acknowledged or cut off but not captured.
        gap,
        /// Bytes missing in gaps.
        gap_bytes,
        /// Copies of a packet made by a SPAN port.
        duplicate_packet,
        /// Segments without data of connections that are not known: no flow is opened for them.
        stray_segments,
        /// Acknowledgements captured before the data.
        ack_before_data,
        /// Segments dropped because a flow's reassembly memory was used up.
        flow_memcap_drop,
        /// Segments dropped because all reassembly memory was used up.
        memcap_drop,
        /// Directions no longer reassembled because nobody wants more.
        bypassed,
    }
}
