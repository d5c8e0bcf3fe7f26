//! Helpers of tests: flows, conversations replayed through the real parsers, and the findings they give.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

use std::sync::Arc;
use std::time::Duration;

use backstop_protocols::testing::{Script, fixture};
use backstop_protocols::veeam::{Call, Param, Reply, ReplyKind, Spec, Stage};
use backstop_protocols::{Anomaly, AppProto, Content, Driver, Limits, Sink, Transaction, nmf, veeam};
use backstop_types::{Direction, Endpoint, Fields, PacketTime, Value};

use crate::{Admit, Context, Correlator, DetectConfig, Detector, Fact, FileFacts, Finding, Findings, FlowDetectors, Outcome};

/// An object of a finding's context.
pub fn object(fields: &Fields, name: &str) -> Fields {
    match fields.get(name) {
        Some(Value::Object(inner)) => inner.clone(),
        other => panic!("{name} is {other:?}"),
    }
}

/// A text of an object, empty where there is none.
pub fn text(fields: &Fields, name: &str) -> String {
    match fields.get(name) {
        Some(Value::Text(text)) => text.to_string(),
        _ => String::new(),
    }
}

/// A number of an object.
pub fn number(fields: &Fields, name: &str) -> Option<u64> {
    if let Some(Value::Uint(number)) = fields.get(name) { Some(*number) } else { None }
}

/// A flow with all registered detectors.
pub struct Flow {
    pub config: DetectConfig,
    pub client: Endpoint,
    pub server: Endpoint,
    pub now: PacketTime,
    pub handshake: bool,
    pub midstream: bool,
    detectors: FlowDetectors,
    pub out: Findings,
    next_tx: u64,
    /// JA4 of the TLS client seen last.
    pub last_ja4: Option<String>,
}

impl Default for Flow {
    fn default() -> Self {
        Self::new(DetectConfig::default())
    }
}

impl Flow {
    pub fn new(config: DetectConfig) -> Self {
        Self {
            config,
            client: Endpoint::new("10.20.30.77".parse().unwrap(), 50_000),
            server: Endpoint::new("10.20.30.10".parse().unwrap(), 9_401),
            now: PacketTime::from_micros(1_700_000_000_000_000),
            handshake: true,
            midstream: false,
            detectors: FlowDetectors::default(),
            out: Findings::default(),
            next_tx: 0,
            last_ja4: None,
        }
    }

    /// A flow from outside.
    pub fn from_outside() -> Self {
        let mut flow = Self::default();
        flow.client.addr = "198.51.100.7".parse().unwrap();
        flow
    }

    pub fn context(&self) -> Context<'_> {
        Context {
            config: &self.config,
            client: self.client,
            server: self.server,
            now: self.now,
            handshake: self.handshake,
            midstream: self.midstream,
            app_proto: Some(AppProto::Nmf),
        }
    }

    /// Those of a protocol, or all.
    fn each(&mut self, of: Option<AppProto>, tell: impl Fn(&mut dyn Detector, &Context<'_>, &mut Findings)) {
        let mut detectors = std::mem::take(&mut self.detectors);
        let mut out = std::mem::take(&mut self.out);
        match of {
            Some(app_proto) => detectors.of(app_proto).for_each(|detector| tell(detector, &self.context(), &mut out)),
            None => detectors.all().for_each(|detector| tell(detector, &self.context(), &mut out)),
        }
        (self.detectors, self.out) = (detectors, out);
    }

    pub fn transaction(&mut self, transaction: &Transaction<'_>) {
        let of = Some(transaction.app_proto());
        self.each(of, |detector, context, out| detector.on_transaction(context, transaction, out));
    }

    /// A file that is over.
    pub fn file(&mut self, carrier: AppProto, direction: Direction, tx_id: Option<u64>, name: &str, bytes: &[u8]) {
        self.file_of(&FileFacts {
            carrier,
            tx_id,
            direction,
            name: Some(name),
            size: bytes.len() as u64,
            complete: true,
            gaps: false,
            magic: crate::content::magic::magic(bytes),
            md5: None,
            sha1: None,
            sha256: None,
            bytes,
            layers: &["http.body"],
            stored: false,
            storing: false,
        });
    }

    fn file_of(&mut self, file: &FileFacts<'_>) {
        self.each(Some(file.carrier), |detector, context, out| detector.on_file(context, file, out));
    }

    /// A whole file of which the sum is all that matters.
    pub fn file_with_sha1(&mut self, sha1: &str, carrier: AppProto, direction: Direction) {
        self.file_of(&FileFacts {
            carrier,
            tx_id: Some(0),
            direction,
            name: Some("a.bin"),
            size: 3,
            complete: true,
            gaps: false,
            magic: None,
            md5: None,
            sha1: Some(sha1),
            sha256: None,
            bytes: b"abc",
            layers: &[],
            stored: false,
            storing: false,
        });
    }

    /// A number for a transaction.
    pub fn next_number(&mut self) -> u64 {
        self.next_tx += 1;
        self.next_tx - 1
    }

    /// What was found by now.
    pub fn take(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.out.findings)
    }

    pub fn anomaly(&mut self, event: &'static str, direction: Direction) {
        let anomaly = Anomaly { app_proto: AppProto::Nmf, event, direction };
        self.each(Some(anomaly.app_proto), |detector, context, out| detector.on_anomaly(context, &anomaly, out));
    }

    /// Packet time passes, and a tick for it.
    pub fn wait(&mut self, millis: u64) {
        self.now = self.now.plus(Duration::from_millis(millis));
        self.each(None, |detector, context, out| {
            if detector.wants_tick() {
                detector.on_tick(context, out);
            }
        });
    }

    pub fn wants_tick(&self) -> bool {
        self.detectors.wants_tick()
    }

    pub fn end(&mut self) {
        self.each(None, |detector, context, out| detector.on_flow_end(context, out));
    }

    /// A net.tcp session as the client asked for it.
    pub fn session(&mut self, acknowledged: bool) {
        let session = nmf::Session {
            version: Some("1.0".to_owned()),
            mode: Some("duplex"),
            via: Some("net.tcp://vbr01.example.lan:9401/".to_owned()),
            encoding: Some("binary_session".to_owned()),
            upgrades: vec!["application/ssl-tls".to_owned()],
            acknowledged,
            fault: None,
        };
        self.transaction(&Transaction::Nmf(nmf::Transaction::Session(&session)));
    }

    /// A request; its number.
    pub fn ask(&mut self, call: &Call) -> u64 {
        let tx_id = self.next_tx;
        self.next_tx += 1;
        self.transaction(&Transaction::Veeam(veeam::Transaction { tx_id, stage: Stage::Requested, call, reply: None }));
        tx_id
    }

    /// Its reply.
    pub fn answer(&mut self, tx_id: u64, call: &Call, reply: &Reply) {
        let stage = Stage::Answered;
        self.transaction(&Transaction::Veeam(veeam::Transaction { tx_id, stage, call, reply: Some(reply) }));
    }

    /// No reply will be seen.
    pub fn give_up(&mut self, tx_id: u64, call: &Call) {
        self.transaction(&Transaction::Veeam(veeam::Transaction { tx_id, stage: Stage::Unanswered, call, reply: None }));
    }

    /// A request and its reply.
    pub fn exchange(&mut self, call: &Call, reply: &Reply) {
        let tx_id = self.ask(call);
        self.answer(tx_id, call, reply);
    }

    /// Replays a conversation of `protocols/fixtures`, in pieces, to its end.
    pub fn replay(&mut self, name: &str, piece: usize) {
        self.replay_script(&fixture(name).unwrap(), piece);
    }

    pub fn replay_script(&mut self, script: &Script, piece: usize) {
        self.replay_in(Driver::new(Limits::default()), script, piece);
    }

    /// With the keys of a conversation of `protocols/fixtures`.
    pub fn replay_with_keys(&mut self, name: &str) {
        let keys = backstop_protocols::testing::fixture_keys(name).unwrap();
        self.replay_in(Driver::with_keys(Limits::default(), keys), &fixture(name).unwrap(), 65_536);
    }

    /// The beginning of a conversation.
    pub fn start(&mut self, script: &[(Direction, Vec<u8>)]) -> Driver {
        let mut driver = Driver::new(Limits::default());
        self.go_on(&mut driver, script);
        driver
    }

    /// What comes next of it.
    pub fn go_on(&mut self, driver: &mut Driver, script: &[(Direction, Vec<u8>)]) {
        for (direction, bytes) in script {
            self.now = self.now.plus(Duration::from_micros(100));
            driver.data(*direction, bytes, &mut Told(self));
        }
    }

    /// Bytes that nobody saw.
    pub fn gap(&mut self, driver: &mut Driver, direction: Direction, len: u64) {
        driver.gap(direction, len, &mut Told(self));
    }

    /// The end of both directions and of the flow.
    pub fn finish(&mut self, mut driver: Driver) {
        for direction in Direction::BOTH {
            driver.close(direction, &mut Told(self));
        }
        self.end();
    }

    fn replay_in(&mut self, mut driver: Driver, script: &Script, piece: usize) {
        for (direction, bytes) in script {
            for piece in bytes.chunks(piece) {
                self.now = self.now.plus(Duration::from_micros(100));
                driver.data(*direction, piece, &mut Told(self));
            }
        }
        self.finish(driver);
    }

    /// Alerts of one sid: outcome and finding.
    pub fn alerts(&self, sid: u64) -> Vec<&Finding> {
        self.out.findings.iter().filter(|finding| finding.meta.sid() == sid && !finding.update).collect()
    }

    pub fn updates(&self, sid: u64) -> Vec<&Finding> {
        self.out.findings.iter().filter(|finding| finding.meta.sid() == sid && finding.update).collect()
    }

    pub fn outcomes(&self, sid: u64) -> Vec<Outcome> {
        self.alerts(sid).iter().map(|finding| finding.outcome).collect()
    }

    /// Exploit alerts by sid, each with its number; policy ones left out.
    pub fn exploits(&self) -> Vec<(u64, usize)> {
        let sids = 9_401_001..=9_401_005;
        sids.map(|sid| (sid, self.alerts(sid).len())).filter(|(_, number)| *number > 0).collect()
    }

    /// What becomes of what was said: facts first, as the sensor does it.
    pub fn admitted(&self, correlator: &mut Correlator) -> Vec<Finding> {
        for fact in &self.out.facts {
            correlator.fact(*fact);
        }
        let admitted = self.out.findings.iter().filter(|finding| !finding.update);
        admitted
            .filter_map(|finding| match correlator.admit(finding.clone(), self.now) {
                Admit::Alert(finding) => Some(*finding),
                Admit::Suppressed | Admit::Counted => None,
            })
            .collect()
    }

    /// The sids that a fresh correlator makes alerts of.
    pub fn admitted_sids(&self) -> Vec<u64> {
        let mut correlator = Correlator::new(Arc::new(self.config.clone()));
        self.admitted(&mut correlator).iter().map(|finding| finding.meta.sid()).collect()
    }

    pub fn learned(&self) -> bool {
        self.out.facts.contains(&Fact::BackupServer(self.server.addr))
    }
}

struct Told<'a>(&'a mut Flow);

impl Sink for Told<'_> {
    fn transaction(&mut self, transaction: &Transaction<'_>) {
        if let Transaction::Tls(tls) = transaction {
            self.0.last_ja4.clone_from(&tls.facts.ja4);
        }
        self.0.transaction(transaction);
    }
    fn anomaly(&mut self, anomaly: Anomaly) {
        self.0.each(Some(anomaly.app_proto), |detector, context, out| detector.on_anomaly(context, &anomaly, out));
    }
    fn content(&mut self, _: Content<'_>) {}
    fn plaintext(&mut self, _: Direction, _: &[u8]) {}
    fn confirmed(&mut self, _: AppProto) {}
    fn in_sync(&mut self, _: AppProto, _: Direction, _: bool) {}
}

/// A call with a method as its own argument.
pub fn call(method: &str) -> Call {
    Call {
        contract: "IRemoteInvokeService".to_owned(),
        operation: "Invoke".to_owned(),
        scope: Some("DatabaseManager".to_owned()),
        method: Some(method.to_owned()),
        ..Call::default()
    }
}

/// A call with a method in its spec only.
pub fn spec_call(method: &str, params: &[(&str, &str)]) -> Call {
    let param = |(name, value): &(&str, &str)| Param {
        name: (*name).to_owned(),
        kind: "System.String".to_owned(),
        value: Some((*value).to_owned()),
        length: value.len() as u64,
    };
    Call {
        method: Some("Invoke".to_owned()),
        spec: Some(Spec {
            kind: "RemoteInvokeSpec".to_owned(),
            scope: Some("Service".to_owned()),
            method: Some(method.to_owned()),
            params: params.iter().map(param).collect(),
            ..Spec::default()
        }),
        ..call("Invoke")
    }
}

/// A call that carries SQL.
pub fn sql_call(sql: &str) -> Call {
    Call {
        operation: "GetDataTable".to_owned(),
        spec: Some(Spec { kind: "DbGetDataTableRemoteInvokeSpec".to_owned(), ..Spec::default() }),
        sql: Some(sql.to_owned()),
        ..call("GetDataTable")
    }
}

/// A reply with a value of so many credentials.
pub fn credentials(count: u64) -> Reply {
    Reply {
        kind: ReplyKind::Value,
        length: 900,
        class: Some("System.Collections.Generic.List`1[[Lab.CDbCredentialsInfo, Lab]]".to_owned()),
        credential_count: Some(count),
        fault: None,
    }
}

/// A reply with any value.
pub fn value() -> Reply {
    Reply { kind: ReplyKind::Value, length: 300, ..Reply::default() }
}

/// A fault.
pub fn fault() -> Reply {
    Reply { kind: ReplyKind::Fault, length: 200, fault: Some("denied".to_owned()), ..Reply::default() }
}

/// An empty reply.
pub fn empty() -> Reply {
    Reply { length: 100, ..Reply::default() }
}

/// Sessions one after the other on one pooled connection.
pub fn session_storm(flow: &mut Flow, sessions: usize) {
    for _ in 0..sessions {
        flow.session(true);
    }
}
