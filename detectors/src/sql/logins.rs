//! 9402009: logins fail over and over. 9402010: an administrator logs in to a backup database from a host that nobody listed.

use backstop_protocols::{Transaction, pgsql, tds};
use backstop_types::Fields;

use super::config::is_listed;
use super::evidence;
use crate::finding::{Role, Stage, Tally, Threshold};
use crate::mitre::{T1078, T1110};
use crate::veeam::evidence::bounded;
use crate::veeam::outside::pair;
use crate::{Confidence, Context, Detector, Findings, Meta, Outcome};

/// What it can find.
pub static METAS: &[&Meta] = &[&FAILURES, &ADMINISTRATOR];

/// Failed logins of one source.
pub static FAILURES: Meta = Meta {
    sid: 9_402_009,
    rev: 1,
    title: "BACKSTOP SQL login brute force",
    category: "Attempted User Privilege Gain",
    severity: 2,
    mitre: &[T1110],
    cve: &[],
    stage: Stage::Reach,
    help: "Ten logins (configurable) of one host failed within a minute, over all its sessions and all servers: SQL Server's error \
           18456 and kin, PostgreSQL's 28P01 and 28000. The evidence names users and servers. Once an hour for each host. Silent: \
           fewer failures, and logins that succeed.",
};

/// An administrator from an unlisted host.
pub static ADMINISTRATOR: Meta = Meta {
    sid: 9_402_010,
    rev: 1,
    title: "BACKSTOP SQL administrator login to a backup database",
    category: "Potential Corporate Privacy Violation",
    severity: 3,
    mitre: &[T1078],
    cve: &[],
    stage: Stage::Reach,
    help: "The user sa or postgres logged in to the configuration database of a backup product, or changed to it later, from a host that \
           is neither in known_clients nor a backup server. Once an hour for each pair of hosts. Silent: other users and databases, \
           listed hosts, the server itself, logins that fail (9402009 counts these).",
};

/// SQL Server: failed; no trusted domain; disabled; locked out; password expired, or must be changed.
const TDS_ERRORS: [i32; 6] = [18_456, 18_452, 18_470, 18_486, 18_487, 18_488];
/// PostgreSQL: invalid_password, invalid_authorization_specification.
const PGSQL_ERRORS: [&str; 2] = ["28P01", "28000"];
/// Bytes of a name shown.
const MAX_NAME: usize = 128;

/// A detector for a new flow.
#[must_use]
pub fn detector() -> Box<dyn Detector> {
    Box::new(Logins::default())
}

#[derive(Default)]
struct Logins {
    /// 9402010 was decided.
    told: bool,
}

/// A login, or what is known of a session later.
struct Login<'a> {
    object: &'static str,
    tx_id: u64,
    user: Option<&'a str>,
    database: Option<&'a str>,
    host: Option<&'a str>,
    application: Option<&'a str>,
    /// The error that refused it.
    error: Option<String>,
    outcome: Outcome,
}

impl Logins {
    fn failed(login: &Login<'_>, context: &Context<'_>, out: &mut Findings) {
        let config = &context.config.sql;
        let mut finding = evidence::plain(&FAILURES, context, Fields::new().with(login.object, login.fields()));
        finding.tx_id = Some(login.tx_id);
        finding.outcome = Outcome::Attempt;
        finding.confidence = Confidence::Medium;
        let key = context.client.addr.to_string().into_bytes();
        finding.tally = Some(Tally {
            key: key.clone(),
            items: Vec::new(),
            needed: config.login_failures,
            window: config.login_window,
            notes: vec![
                ("users", bounded(login.user.unwrap_or("?"), MAX_NAME)),
                ("servers", format!("{}:{}", context.server.addr, context.server.port)),
            ],
        });
        finding.threshold = Some(Threshold { key, window: context.config.policy_window });
        out.findings.push(finding);
    }

    fn administrator(&mut self, login: &Login<'_>, context: &Context<'_>, out: &mut Findings) {
        let (config, client) = (context.config, context.client.addr);
        let applies = !self.told
            && login.user.is_some_and(|user| is_listed(&config.sql.admin_users, user))
            && login.database.is_some_and(|database| is_listed(&config.sql.backup_databases, database));
        if !applies {
            return;
        }
        self.told = true;
        if config.is_known_client(client) || client.is_loopback() || client == context.server.addr {
            return;
        }
        let mut finding = evidence::plain(&ADMINISTRATOR, context, Fields::new().with(login.object, login.fields()));
        finding.tx_id = Some(login.tx_id);
        finding.outcome = login.outcome;
        finding.confidence = Confidence::Medium;
        finding.requires = vec![Role::Stranger(client)];
        finding.threshold = Some(Threshold { key: pair(context), window: config.policy_window });
        out.findings.push(finding);
    }
}

impl Login<'_> {
    fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        for (name, value) in
            [("user", self.user), ("database", self.database), ("host", self.host), ("application", self.application)]
        {
            fields.set_some(name, value.filter(|value| !value.is_empty()).map(|value| bounded(value, MAX_NAME)));
        }
        fields.set_some("error", self.error.clone());
        fields
    }
}

impl Detector for Logins {
    fn on_transaction(&mut self, context: &Context<'_>, transaction: &Transaction<'_>, out: &mut Findings) {
        match transaction {
            Transaction::Tds(tds::Transaction::Login(exchange)) => {
                if exchange.stage == tds::Stage::Seen {
                    return;
                }
                let login = tds_login(exchange);
                if login.error.is_some() {
                    Self::failed(&login, context, out);
                } else if login.outcome != Outcome::Attempt {
                    self.administrator(&login, context, out);
                }
            }
            // The database may change later.
            Transaction::Tds(tds::Transaction::Request(request)) if !self.told && request.session.logged_in != Some(false) => {
                let session = request.session;
                let login = Login {
                    object: "tds",
                    tx_id: request.tx_id,
                    user: session.user.as_deref(),
                    database: request.reply.and_then(|reply| reply.database.as_deref()).or(session.database.as_deref()),
                    host: session.host.as_deref(),
                    application: session.application.as_deref(),
                    error: None,
                    outcome: if session.logged_in == Some(true) { Outcome::Success } else { Outcome::Unknown },
                };
                self.administrator(&login, context, out);
            }
            Transaction::Pgsql(pgsql::Transaction::Startup(startup)) if startup.stage != pgsql::Stage::Requested => {
                let session = startup.session;
                let code = session.error.as_ref().map(|error| error.code.as_str());
                let refused = code.filter(|code| PGSQL_ERRORS.contains(code));
                let login = Login {
                    object: "pgsql",
                    tx_id: startup.tx_id,
                    user: session.user(),
                    database: session.database(),
                    host: None,
                    application: session.application(),
                    error: refused.map(str::to_owned),
                    outcome: match session.login {
                        Some(pgsql::Login::Accepted) => Outcome::Success,
                        Some(pgsql::Login::Refused) => Outcome::Attempt,
                        None => Outcome::Unknown,
                    },
                };
                if login.error.is_some() {
                    Self::failed(&login, context, out);
                } else if login.outcome == Outcome::Success {
                    self.administrator(&login, context, out);
                }
            }
            _ => {}
        }
    }
}

fn tds_login<'a>(exchange: &'a tds::LoginExchange<'_>) -> Login<'a> {
    let session = exchange.session;
    let errors = exchange.reply.map(|reply| reply.errors.as_slice()).unwrap_or_default();
    let refused = errors.iter().find(|error| TDS_ERRORS.contains(&error.number));
    let accepted = exchange.reply.map(|reply| reply.login_ack.is_some());
    let changed = exchange.reply.and_then(|reply| reply.database.as_deref());
    Login {
        object: "tds",
        tx_id: exchange.tx_id,
        user: session.user.as_deref().or_else(|| exchange.login.and_then(|login| login.user.as_deref())),
        database: changed.or(session.database.as_deref()).or_else(|| exchange.login.and_then(|login| login.database.as_deref())),
        host: session.host.as_deref().or_else(|| exchange.login.and_then(|login| login.host.as_deref())),
        application: session.application.as_deref(),
        error: refused.filter(|_| accepted != Some(true)).map(|error| error.number.to_string()),
        outcome: match accepted {
            Some(true) => Outcome::Success,
            Some(false) => Outcome::Attempt,
            None => Outcome::Unknown,
        },
    }
}
