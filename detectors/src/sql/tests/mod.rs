//! Each detection beside the nearest thing that is none, on requests as the parsers hand them on and on real conversations.

mod disguise;
mod inventory;
mod logins;
mod requests;
mod secrets;

use backstop_protocols::{Transaction, pgsql, tds};

use crate::testing::Flow;
use crate::{Admit, Correlator, DetectConfig, Finding};

/// A SQL server as a flow sees it.
struct Server {
    flow: Flow,
    session: tds::Session,
    startup: pgsql::Session,
    next: u64,
}

impl Server {
    /// In this database; nobody said which where it is empty.
    fn new(database: &str) -> Self {
        Self::with(database, DetectConfig::default())
    }

    fn with(database: &str, config: DetectConfig) -> Self {
        let mut flow = Flow::new(config);
        flow.server.port = 1_433;
        let known = (!database.is_empty()).then(|| database.to_owned());
        let session =
            tds::Session { database: known, user: Some("app".to_owned()), logged_in: Some(true), ..tds::Session::default() };
        let parameters = vec![("user".to_owned(), "app".to_owned()), ("database".to_owned(), database.to_owned())];
        let startup = pgsql::Session { parameters, ..pgsql::Session::default() };
        Self { flow, session, startup, next: 0 }
    }

    fn tds(&mut self, stage: tds::Stage, tx_id: u64, statements: &[tds::Statement], reply: Option<&tds::Reply>) {
        let kind = if statements.iter().any(|one| one.procedure.is_some()) { tds::Kind::Rpc } else { tds::Kind::Batch };
        let session = self.session.clone();
        let request = tds::Request {
            tx_id,
            stage,
            kind,
            smp_session: None,
            statements,
            bytes: 100,
            truncated: false,
            reply,
            session: &session,
        };
        self.flow.transaction(&Transaction::Tds(tds::Transaction::Request(request)));
    }

    /// A request that is answered with success.
    fn run(&mut self, statements: &[tds::Statement]) {
        let mut reply = tds::Reply::default();
        reply.complete = true;
        self.run_with(statements, &reply);
    }

    fn run_with(&mut self, statements: &[tds::Statement], reply: &tds::Reply) {
        let tx_id = self.ask(statements);
        self.tds(tds::Stage::Answered, tx_id, statements, Some(reply));
    }

    fn ask(&mut self, statements: &[tds::Statement]) -> u64 {
        self.next += 1;
        self.tds(tds::Stage::Seen, self.next, statements, None);
        self.next
    }

    fn batch(&mut self, text: &str) {
        self.run(&[batch(text)]);
    }

    fn pgsql(&mut self, kind: pgsql::Kind, text: Option<&str>, parameters: &[pgsql::Parameter], function: Option<u32>) {
        self.next += 1;
        let reply = pgsql::Reply { complete: true, ..pgsql::Reply::default() };
        let session = self.startup.clone();
        let mut request = pgsql::Request {
            tx_id: self.next,
            stage: pgsql::Stage::Requested,
            kind,
            text,
            text_cut: false,
            parameters,
            function,
            process_id: None,
            copy_in: pgsql::Copied::default(),
            reply: None,
            session: &session,
        };
        self.flow.transaction(&Transaction::Pgsql(pgsql::Transaction::Request(request)));
        (request.stage, request.reply) = (pgsql::Stage::Answered, Some(&reply));
        self.flow.transaction(&Transaction::Pgsql(pgsql::Transaction::Request(request)));
    }

    fn query(&mut self, text: &str) {
        self.pgsql(pgsql::Kind::SimpleQuery, Some(text), &[], None);
    }

    /// Sids of all alerts that stand.
    fn sids(&self) -> Vec<u64> {
        self.flow.admitted_sids()
    }
}

fn batch(text: &str) -> tds::Statement {
    tds::Statement { text: Some(text.to_owned()), ..tds::Statement::default() }
}

fn parameter(name: &str, value: tds::Value) -> tds::Parameter {
    tds::Parameter { name: (!name.is_empty()).then(|| name.to_owned()), type_name: "nvarchar", output: false, value }
}

fn text(value: &str) -> tds::Value {
    tds::Value::Text { text: value.to_owned(), whole: true }
}

/// A call with texts as its parameters.
fn rpc(procedure: &str, values: &[(&str, &str)]) -> tds::Statement {
    tds::Statement {
        procedure: Some(procedure.to_owned()),
        parameters: values.iter().map(|(name, value)| parameter(name, text(value))).collect(),
        ..tds::Statement::default()
    }
}

/// What a correlator makes of the findings of several flows, in order.
fn admitted(correlator: &mut Correlator, flow: &Flow) -> Vec<Finding> {
    let findings = flow.out.findings.iter().filter(|finding| !finding.update);
    findings
        .filter_map(|finding| match correlator.admit(finding.clone(), flow.now) {
            Admit::Alert(finding) => Some(*finding),
            Admit::Suppressed | Admit::Counted => None,
        })
        .collect()
}
