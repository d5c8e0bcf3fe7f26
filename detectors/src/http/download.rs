//! 9404007: a backup server fetches a script or a program from outside.

use backstop_protocols::{AppProto, Transaction, http};
use backstop_types::{Direction, Fields, Value};

use super::{outcome, path};
use crate::content::magic::is_pe;
use crate::finding::{Role, Stage, Threshold};
use crate::mitre::T1105;
use crate::names::{is_inside, is_listed};
use crate::veeam::evidence::{bounded, plain};
use crate::{Context, Detector, FileFacts, Findings, Meta};

/// What is fixed about it.
pub static META: Meta = Meta {
    sid: 9_404_007,
    rev: 1,
    title: "BACKSTOP Script or program fetched by a backup server",
    category: "Potentially Bad Traffic",
    severity: 1,
    mitre: &[T1105],
    cve: &[],
    stage: Stage::Ingress,
    help: "A backup server asked a host outside home_net by HTTP for a PowerShell script (*.ps1, *.psm1, *.psd1, also where the response names it so), or with PowerShell's \
           User-Agent, or got a Windows program by its content, whatever its name; a proxy inside that is asked for such counts too. One alert an hour for each server, host and \
           path, so that a file in ranges is one. Silent: hosts of detect_names.trusted_hosts (Windows Update and the maker of the \
           backup software by default), hosts inside, clients that are no backup server.",
};

/// Files of one flow that are remembered until their response.
const MAX_PROGRAMS: usize = 64;
/// What a program is by its first bytes.
const PROGRAM: &str = "PE executable";
/// Bytes of a target shown.
const MAX_TARGET: usize = 512;

/// A detector for a new flow.
#[must_use]
pub fn detector() -> Box<dyn Detector> {
    Box::new(Downloads::default())
}

#[derive(Default)]
struct Downloads {
    /// Programs that came: number of the exchange, and what is told of the file.
    programs: Vec<(Option<u64>, Fields)>,
    /// The exchange whose file was named as a script by its sender last.
    script: Option<u64>,
}

fn is_script(path: &str) -> bool {
    let path = path.trim_end_matches(['.', ' ']).to_ascii_lowercase();
    [".ps1", ".psm1", ".psd1"].iter().any(|extension| path.ends_with(extension))
}

/// Whether what is asked for lies outside: the server does, or it is a proxy inside that is asked for something there (RFC 9112
/// §3.2.2). Of names it is known of those only that nobody can have outside.
fn is_outside(context: &Context<'_>, request: &http::Request) -> bool {
    if !context.config.is_home(context.server.addr) {
        return true;
    }
    if http::authority(&request.target).is_none() {
        return false;
    }
    let host = request.host.as_deref().unwrap_or_default().trim_end_matches('.');
    match host.trim_matches(['[', ']']).parse() {
        Ok(address) => !context.config.is_home(address),
        Err(_) => !is_inside(host),
    }
}

/// `Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.17763.1`, `… PowerShell/7.4.1`.
fn is_powershell(agent: &str) -> bool {
    agent.to_ascii_lowercase().contains("powershell/")
}

impl Downloads {
    fn remember(&mut self, tx_id: Option<u64>, file: Fields) {
        if self.programs.len() >= MAX_PROGRAMS {
            self.programs.remove(0);
        }
        self.programs.push((tx_id, file));
    }

    /// A range is no file of its own, but the first one of a program begins as a program does.
    fn first_range(&mut self, part: &http::Part<'_>) {
        let is_first = part.offset == 0 && part.range.and_then(|range| range.span).is_some_and(|(start, _)| start == 0);
        if is_first && part.direction == Direction::ToClient && is_pe(part.bytes) {
            let mut file = Fields::new();
            file.set_some("filename", part.name.map(str::to_owned));
            file.set("magic", PROGRAM).set("gaps", false).set("state", "TRUNCATED").set("stored", false);
            file.set("size", part.bytes.len()).set("tx_id", part.tx_id);
            self.remember(Some(part.tx_id), file);
        }
    }
}

impl Detector for Downloads {
    fn on_file(&mut self, _: &Context<'_>, file: &FileFacts<'_>, _: &mut Findings) {
        if file.carrier == AppProto::Http && file.direction == Direction::ToClient && file.name.is_some_and(is_script) {
            self.script = file.tx_id;
        }
        let is_program = file.magic == Some(PROGRAM) || is_pe(file.bytes);
        if file.carrier == AppProto::Http && file.direction == Direction::ToClient && is_program {
            self.remember(file.tx_id, file.fields());
        }
    }

    fn on_transaction(&mut self, context: &Context<'_>, transaction: &Transaction<'_>, out: &mut Findings) {
        if let Transaction::Http(http::Transaction::Body(part)) = transaction {
            self.first_range(part);
        }
        let Transaction::Http(http::Transaction::Exchange(exchange)) = transaction else { return };
        let Some(request) = exchange.request.filter(|_| exchange.stage != http::Stage::Requested) else { return };
        let program = self.programs.iter().position(|(tx_id, _)| *tx_id == Some(exchange.tx_id));
        let program = program.map(|at| self.programs.remove(at).1);
        // Who sends a script fetches none.
        let fetches = !matches!(request.method.as_str(), "PUT" | "DELETE" | "OPTIONS");
        let named = is_script(path(&request.target)) || http::target_name(&request.target).is_some_and(|name| is_script(&name));
        let by_name = fetches && (named || self.script == Some(exchange.tx_id));
        let by_agent = request.user_agent.as_deref().is_some_and(is_powershell);
        let host = request.host.as_deref().unwrap_or_default();
        let (client, server) = (context.client.addr, context.server.addr);
        if !(by_name || by_agent || program.is_some())
            || !is_outside(context, request)
            || is_listed(host, &context.config.names.trusted_hosts)
            || request.method == "CONNECT"
        {
            return;
        }
        let mut reasons = Vec::new();
        for (holds, reason) in [(by_name, "name"), (by_agent, "user_agent"), (program.is_some(), "content")] {
            if holds {
                reasons.push(Value::from(reason));
            }
        }
        let target = http::mask_target(&request.target);
        let mut finding = plain(&META, context, Fields::new().with("download", Fields::new().with("reasons", reasons)));
        std::mem::swap(&mut finding.attacker, &mut finding.victim);
        finding.context.set("http", transaction.fields());
        if let Some(file) = program {
            finding.context.set("files", vec![Value::from(file)]);
        }
        finding.tx_id = Some(exchange.tx_id);
        finding.outcome = outcome(exchange.response.map(|response| response.status));
        let line = format!("{} {host}{}", request.method, bounded(&target, MAX_TARGET));
        finding.excerpt_of = line.len() as u64;
        finding.excerpt = line.into_bytes();
        finding.requires = vec![Role::BackupServer(client)];
        let key = format!("{client} {server} {host} {}", bounded(path(&target), MAX_TARGET));
        finding.threshold = Some(Threshold { key: key.into_bytes(), window: context.config.policy_window });
        out.findings.push(finding);
    }
}
