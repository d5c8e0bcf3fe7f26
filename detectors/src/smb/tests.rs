//! Each detection beside the nearest thing that is none, on conversations that go through the real parser. Payloads are inert.

mod files;
mod joined;
mod pipes;
mod spread;

use backstop_protocols::testing::Script;
use backstop_testkit::smb::{self, DENIED, OK, Talk};

use crate::testing::{Flow, object, text};
use crate::{DetectConfig, Finding, Outcome};

const ADMIN: &str = r"\\10.20.30.10\ADMIN$";
/// The shape of a loader, and nothing that runs.
const LOADER: &str = "return\r\n$b = [Convert]::FromBase64String('AAAA')\r\n$s = New-Object IO.Compression.DeflateStream($b, 0)\r\n\
[Runtime.InteropServices.Marshal]::GetDelegateForFunctionPointer($p, $t)\r\n";
const ORDINARY: &str = "# weekly report\r\nGet-ChildItem D:\\Backups | Sort-Object Length\r\n";

fn flow() -> Flow {
    let mut flow = Flow::default();
    flow.server.port = 445;
    flow
}

fn replayed(script: &Script) -> Flow {
    let mut flow = flow();
    flow.replay_script(script, 1_460);
    flow
}

fn on(share: &str) -> Talk {
    let mut talk = Talk::default();
    talk.connect(share, 1, OK);
    talk
}

/// Sid, severity and outcome of all alerts, in order; what is only counted over flows is none.
fn told(flow: &Flow) -> Vec<(u64, u8, Outcome)> {
    let severity = |finding: &Finding| finding.severity.unwrap_or_else(|| finding.meta.severity());
    let alone = flow.out.findings.iter().filter(|finding| finding.tally.is_none());
    alone.map(|finding| (finding.meta.sid(), severity(finding), finding.outcome)).collect()
}
