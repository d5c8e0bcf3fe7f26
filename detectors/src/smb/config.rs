//! What detections on SMB are configured with.

use std::time::Duration;

use ipnet::IpNet;

/// Names, and how many of what in which time.
#[derive(Clone, Debug)]
pub struct SmbConfig {
    /// Extensions of scripts, without the dot; case does not count.
    pub script_extensions: Vec<String>,
    /// Bytes of files that a flow holds to look at them.
    pub max_held: usize,
    /// Hosts that backup servers reach over administrative shares in their daily work.
    pub agents: Vec<IpNet>,
    /// Other hosts whose administrative shares one backup server must connect to …
    pub host_count: usize,
    /// … in this time.
    pub host_window: Duration,
}

impl Default for SmbConfig {
    fn default() -> Self {
        Self {
            script_extensions: ["ps1", "bat", "cmd", "vbs", "hta"].map(str::to_owned).to_vec(),
            max_held: 2 << 20,
            agents: Vec::new(),
            host_count: 5,
            host_window: Duration::from_secs(600),
        }
    }
}
