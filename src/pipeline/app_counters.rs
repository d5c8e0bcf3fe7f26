//! What workers count of parsing, scanning and detection.

backstop_capture::counters! {
    /// What parsing, scanning and detection met. One a worker.
    AppCounters {
        /// Flows recognised as net.tcp.
        nmf_flows,
        /// Flows recognised as TLS.
        tls_flows,
        /// Flows recognised as TDS.
        tds_flows,
        /// Flows recognised as PostgreSQL.
        pgsql_flows,
        /// Flows recognised as HTTP.
        http_flows,
        /// Flows recognised as DNS over UDP.
        dns_udp_flows,
        /// Flows recognised as DNS over TCP.
        dns_tcp_flows,
        /// Flows recognised as SMB.
        smb_flows,
        /// Flows recognised as DCE/RPC over TCP.
        dcerpc_tcp_flows,
        /// Flows recognised as .NET remoting, or secured as its channels are.
        nrtp_flows,
        /// TCP flows whose first bytes no probe knew.
        unknown_flows,
        /// Transactions decoded, stages counted each.
        transactions,
        /// TLS sessions recorded.
        tls_transactions,
        /// TLS sessions that have ended and of which records were opened.
        tls_decrypted,
        /// TLS sessions that have ended and stayed closed although keys were given; each says why.
        tls_not_decrypted,
        /// PostgreSQL startups and requests recorded.
        pgsql_transactions,
        /// Requests and responses of HTTP recorded.
        http_transactions,
        /// DNS messages recorded, over UDP.
        dns_udp_transactions,
        /// DNS messages recorded, over TCP.
        dns_tcp_transactions,
        /// Requests of SMB recorded, binds and calls of DCE/RPC in its pipes, and encrypted sessions.
        smb_transactions,
        /// Binds and calls of DCE/RPC recorded, over TCP and in HTTP.
        dcerpc_tcp_transactions,
        /// Records whose SQL was cut.
        statements_cut,
        /// Protocol violations and lost syncs.
        anomalies,
        /// Anomalies not written because their flow had written enough.
        anomalies_suppressed,
        /// Parsers that panicked: their flow is scanned on, not parsed.
        parser_panics,
        /// Findings raised, before thresholds.
        findings,
        /// Matches of rules that do not apply where they were found.
        matches_out_of_scope,
        /// Commands and scripts that were not unfolded to their end, because a limit was reached.
        content_cut,
    }
}
