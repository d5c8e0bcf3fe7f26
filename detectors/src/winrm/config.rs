//! What detections on WinRM are configured with.

use std::time::Duration;

/// Ports, and how long a pair of hosts is remembered.
#[derive(Clone, Debug)]
pub struct WinrmConfig {
    /// Ports on which TLS is taken for WinRM, where it cannot be opened.
    pub tls_ports: Vec<u16>,
    /// Time in which encrypted sessions of one pair of hosts are one.
    pub session_window: Duration,
}

impl Default for WinrmConfig {
    fn default() -> Self {
        Self { tls_ports: vec![5_986], session_window: Duration::from_secs(7 * 24 * 3_600) }
    }
}
