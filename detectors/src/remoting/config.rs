//! What detections on .NET remoting are configured with.

/// Ports, and who may issue tokens.
#[derive(Clone, Debug)]
pub struct RemotingConfig {
    /// Ports of services of the product that take serialised objects.
    pub ports: Vec<u16>,
    /// Ports of the mount service (9401012).
    pub mount_ports: Vec<u16>,
    /// Types of gadgets besides those shipped, without assembly.
    pub gadget_types: Vec<String>,
    /// Host names, addresses or whole issuers whose SSO tokens the Enterprise Manager may be given (9401013). A name stands for what
    /// is below it.
    pub sso_issuers: Vec<String>,
    /// Bytes of a body that are held to be read.
    pub max_body: usize,
}

impl Default for RemotingConfig {
    fn default() -> Self {
        Self {
            ports: vec![
                8_000, 6_160, 6_162, 6_170, 9_380, 9_381, 9_392, 9_393, 9_394, 9_395, 9_396, 9_397, 9_398, 9_399, 9_401, 9_419,
            ],
            mount_ports: vec![6_170, 8_000],
            gadget_types: Vec::new(),
            sso_issuers: Vec::new(),
            max_body: 256 << 10,
        }
    }
}
