//! What unfolding of content is bounded by.

/// Limits of one inspection. Each is counted where it bites (`content.cut`).
#[derive(Clone, Debug)]
pub struct ContentConfig {
    /// Bytes of one text or file that are looked at.
    pub max_input: usize,
    /// Layers on top of each other.
    pub max_depth: usize,
    /// Layers in all.
    pub max_layers: usize,
    /// Bytes that all layers and constants of one inspection come to, whatever unpacks to more.
    pub max_output: usize,
    /// Tokens of one script.
    pub max_tokens: usize,
    /// Hosts whose installers are published as a download that is run; over HTTPS, 9403003 is informative for these.
    pub installer_hosts: Vec<String>,
}

/// What its makers tell everybody to run.
const INSTALLERS: [&str; 8] = [
    "get.scoop.sh",
    "community.chocolatey.org",
    "chocolatey.org",
    "boxstarter.org",
    "astral.sh",
    "get.pnpm.io",
    "bun.sh",
    "deno.land",
];

impl Default for ContentConfig {
    fn default() -> Self {
        Self {
            max_input: 1 << 20,
            max_depth: 16,
            max_layers: 64,
            max_output: 4 << 20,
            max_tokens: 1 << 18,
            installer_hosts: INSTALLERS.map(str::to_owned).to_vec(),
        }
    }
}

/// Bytes that may be made of each byte of a text: scripts pack three to twenty to one.
const FACTOR: usize = 64;
/// Bytes that may be made of the shortest text.
const LEAST: usize = 128 * 1024;

/// What is left of it.
#[derive(Debug)]
pub struct Budget {
    left: usize,
    /// A limit was reached: something was not looked at.
    pub cut: bool,
}

impl Budget {
    /// The whole of it.
    #[must_use]
    pub const fn new(config: &ContentConfig) -> Self {
        Self { left: config.max_output, cut: false }
    }

    /// For a text of a length: what is made of it is in proportion to it, so that many small ones cost no more than one large one.
    #[must_use]
    pub fn for_input(config: &ContentConfig, len: usize) -> Self {
        Self { left: config.max_output.min(len.saturating_mul(FACTOR).saturating_add(LEAST)), cut: false }
    }

    /// Takes bytes; false, and nothing is taken, where there are not so many.
    pub const fn take(&mut self, bytes: usize) -> bool {
        if bytes > self.left {
            self.cut = true;
            return false;
        }
        self.left -= bytes;
        true
    }

    /// Bytes left.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.left
    }
}
