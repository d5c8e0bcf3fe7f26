//! What detection is configured with.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::beacon::BeaconConfig;
use crate::content::ContentConfig;
use crate::indicators::IndicatorConfig;
use crate::names::NamesConfig;
use crate::remoting::RemotingConfig;
use crate::smb::SmbConfig;
use crate::sql::SqlConfig;
use crate::winrm::WinrmConfig;

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
    /// 9401009.
    pub encrypted_dump: EncryptedDump,
    /// 9401010.
    pub tls_stack: TlsStack,
    /// Detections on SQL servers.
    pub sql: SqlConfig,
    /// Detections on .NET remoting and the Enterprise Manager.
    pub remoting: RemotingConfig,
    /// Detections on SMB.
    pub smb: SmbConfig,
    /// Detections on WinRM.
    pub winrm: WinrmConfig,
    /// 9405004.
    pub beacon: BeaconConfig,
    /// Indicators of compromise.
    pub indicators: IndicatorConfig,
    /// Host names that are looked for.
    pub names: NamesConfig,
    /// What unfolding of content is bounded by.
    pub content: ContentConfig,
}

/// The shape of a credential dump inside TLS, in bytes of net.tcp records. `docs/detections.md` says how it was measured.
#[derive(Clone, Debug)]
pub struct EncryptedDump {
    /// Whether shapes are looked at.
    pub enabled: bool,
    /// The request for all credentials, without the Via that it repeats: at least …
    pub request_min: usize,
    /// … and at most.
    pub request_max: usize,
    /// Its reply: at least one credential …
    pub reply_min: usize,
    /// … and at most.
    pub reply_max: usize,
    /// The request for one credential where it opens a session, without the Via: at least.
    pub first_lookup_min: usize,
    /// The request for one credential: at least, with or without the Via …
    pub lookup_request_min: usize,
    /// … and at most, without the Via.
    pub lookup_request_max: usize,
    /// Its reply: at least …
    pub lookup_reply_min: usize,
    /// … and at most.
    pub lookup_reply_max: usize,
    /// Lookups that make a session suspicious which asks for nothing else.
    pub min_lookups: usize,
    /// Records of application data of one direction in a short session; no more than are kept of a session.
    pub max_records: usize,
    /// Bytes of application data of both directions in a short session.
    pub max_bytes: usize,
    /// Zeros behind the content of TLS 1.3 that are followed.
    pub max_padding: usize,
    /// Silence after which an open session counts as over; zero: never. A session of the shape is looked at on every tick until
    /// then, so this also bounds what somebody costs who leaves many open.
    pub settle: Duration,
}

impl Default for EncryptedDump {
    fn default() -> Self {
        Self {
            enabled: true,
            request_min: 600,
            request_max: 700,
            reply_min: 1_000,
            reply_max: 256 << 10,
            first_lookup_min: 650,
            lookup_request_min: 515,
            lookup_request_max: 780,
            lookup_reply_min: 640,
            lookup_reply_max: 1_600,
            min_lookups: 2,
            max_records: 32,
            max_bytes: 288 << 10,
            max_padding: 64,
            settle: Duration::from_secs(60),
        }
    }
}

/// TLS stacks of the service's clients.
#[derive(Clone, Debug)]
pub struct TlsStack {
    /// Whether stacks are looked at.
    pub enabled: bool,
    /// JA3 hashes and JA4 fingerprints that are as good as those of Windows.
    pub allowed: Vec<String>,
}

impl Default for TlsStack {
    fn default() -> Self {
        Self { enabled: true, allowed: Vec::new() }
    }
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
            encrypted_dump: EncryptedDump::default(),
            tls_stack: TlsStack::default(),
            sql: SqlConfig::default(),
            remoting: RemotingConfig::default(),
            smb: SmbConfig::default(),
            winrm: WinrmConfig::default(),
            beacon: BeaconConfig::default(),
            indicators: IndicatorConfig::default(),
            names: NamesConfig::default(),
            content: ContentConfig::default(),
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
