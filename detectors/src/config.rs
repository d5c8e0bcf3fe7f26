//! What detection is configured with.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::sql::SqlConfig;

/// Networks, known hosts and limits of detection.
#[derive(Clone, Debug)]
pub struct DetectConfig {
    /// Inside networks; default: private, unique local, link local and loopback ones.
    pub home_net: Vec<IpNet>,
    /// Addresses that are backup servers, besides those learned.
    pub backup_servers: Vec<IpNet>,
    /// Consoles, proxies, mount servers: policy detections stay silent for them. Empty: nobody is unlisted.
    pub known_clients: Vec<IpNet>,
    /// Ports of the Veeam service.
    pub veeam_ports: Vec<u16>,
    /// How long a finding waits for its reply, packet time. Bounded by the latency budget of one second.
    pub hold: Duration,
    /// Time in which repetitions of one policy finding are held back.
    pub policy_window: Duration,
    /// Time in which repetitions of malformed net.tcp by one host are held back.
    pub malformed_window: Duration,
    /// Findings of one sid and flow, where each has its own cause (distinct SQL texts).
    pub max_per_flow: usize,
    /// Bytes of an excerpt.
    pub max_excerpt: usize,
    /// Detections on SQL servers.
    pub sql: SqlConfig,
}

impl Default for DetectConfig {
    fn default() -> Self {
        let inside = [
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "169.254.0.0/16",
            "127.0.0.0/8",
            "fc00::/7",
            "fe80::/10",
            "::1/128",
        ];
        Self {
            home_net: inside.iter().filter_map(|net| net.parse().ok()).collect(),
            backup_servers: Vec::new(),
            known_clients: Vec::new(),
            veeam_ports: vec![9401],
            hold: Duration::from_millis(800),
            policy_window: Duration::from_secs(3_600),
            malformed_window: Duration::from_secs(600),
            max_per_flow: 32,
            max_excerpt: 1_024,
            sql: SqlConfig::default(),
        }
    }
}

impl DetectConfig {
    /// Whether an address is inside.
    #[must_use]
    pub fn is_home(&self, addr: IpAddr) -> bool {
        holds(&self.home_net, addr)
    }

    /// Whether an address is a configured backup server.
    #[must_use]
    pub fn is_backup_server(&self, addr: IpAddr) -> bool {
        holds(&self.backup_servers, addr)
    }

    /// Whether an address is a known client.
    #[must_use]
    pub fn is_known_client(&self, addr: IpAddr) -> bool {
        holds(&self.known_clients, addr)
    }
}

fn holds(networks: &[IpNet], addr: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&addr))
}
