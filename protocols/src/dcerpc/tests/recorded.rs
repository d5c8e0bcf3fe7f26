//! Recorded conversations (the README beside the fixtures names their origin).

use super::*;

const SCHEDULER: &str = "86d35949-83c9-4044-b424-db363231fd0c";

fn replayed(name: &str) -> Lines {
    let out = lines(&testing::fixture(name).unwrap());
    assert_eq!(out.anomalies, Vec::<&str>::new(), "{name}");
    out
}

#[test]
fn a_task_over_tcp_has_suricatas_records() {
    let out = replayed("rpc_task");
    let [bind, call] = out.records()[..] else { panic!("{:?}", out.lines) };
    let [interface] = &interfaces(&bind.fields)[..] else { panic!("{bind:?}") };
    assert_eq!(
        (text(interface, "uuid"), text(interface, "version"), number(interface, "ack_result")),
        (SCHEDULER, "1.0", Some(0))
    );
    assert_eq!((text(&bind.fields, "request"), text(&bind.fields, "response")), ("BIND", "BINDACK"));
    assert_eq!((number(&bind.fields, "call_id"), text(&bind.fields, "rpc_version")), (Some(1), "5.0"));
    assert_eq!((text(&call.fields, "request"), text(&call.fields, "response")), ("REQUEST", "RESPONSE"));
    let (req, res) = (object(&call.fields, "req"), object(&call.fields, "res"));
    assert_eq!((number(req, "opnum"), number(req, "frag_cnt"), number(req, "stub_data_size")), (Some(1), Some(1), Some(1568)));
    assert_eq!((number(res, "frag_cnt"), number(res, "stub_data_size")), (Some(1), Some(12)));
    assert_eq!(text(&interfaces(&call.fields)[0], "uuid"), SCHEDULER);
    assert_eq!((call.returned, text(&call.context, "uuid"), text(&call.context, "syntax")), (Some(0), SCHEDULER, "ndr"));
    assert_eq!(text(&call.context, "operation"), "SchRpcRegisterTask");
    assert_eq!((bind.tx_id, call.tx_id), (Some(0), Some(1)));
    // The stub is there once, when the call is complete.
    let requested = out.lines.iter().find(|line| line.stage == Stage::Requested && !line.stub.is_empty()).unwrap();
    assert_eq!((requested.stub.len(), call.stub.len()), (1568, 0));
}

#[test]
fn a_service_over_tcp_and_over_a_pipe_is_the_same_call() {
    let operation = |line: &&Line| text(&line.context, "operation") == "RCreateServiceW";
    for name in ["rpc_service", "smb_svcctl"] {
        let out = replayed(name);
        let call = out.records().into_iter().find(operation).unwrap();
        assert_eq!(text(&call.context, "uuid"), "367abb81-9844-35f1-ad32-98f038001003", "{name}");
        assert!(call.context.get("arguments").is_some(), "{name}");
        assert_eq!(text(&call.context, "pipe"), if name == "smb_svcctl" { "svcctl" } else { "" });
    }
}

#[test]
fn pipes_have_the_object_that_suricata_puts_into_smb() {
    let recorder = testing::run(&testing::fixture("smb_enum_0").unwrap());
    let smb: Vec<&Fields> =
        recorder.transactions().map(|(_, fields)| fields).filter(|fields| fields.get("dcerpc").is_some()).collect();
    let call = smb.iter().rev().find(|fields| text(object(fields, "dcerpc"), "response") == "RESPONSE").unwrap();
    let rpc = object(call, "dcerpc");
    assert_eq!((text(call, "named_pipe"), text(call, "share")), ("srvsvc", r"\\10.20.30.10\IPC$"));
    assert!(number(call, "session_id").is_some_and(|id| id != 0));
    assert_eq!((text(rpc, "request"), number(rpc, "opnum")), ("REQUEST", Some(21)));
    assert!(rpc.get("rpc_version").is_none() && object(rpc, "req").get("opnum").is_none());
    let out = replayed("smb_enum_0");
    let calls: Vec<_> = out.records().iter().filter_map(|line| Some((number(&line.fields, "opnum")?, line.returned))).collect();
    // ERROR_ACCESS_DENIED, and two that worked.
    assert_eq!(calls, [(12, Some(5)), (15, Some(0)), (21, Some(0))]);
}

#[test]
fn the_endpoint_mapper_is_read() {
    for (name, port) in [("rpc_epm_0", 49_670), ("rpc_epm_1", 49_672)] {
        let out = replayed(name);
        let call = out.records()[1];
        assert_eq!(text(&call.context, "uuid"), "e1af8308-5d1f-11c9-91a4-08002b14a0fa", "{name}");
        assert_eq!((number(object(&call.fields, "req"), "opnum"), call.returned), (Some(3), Some(0)), "{name} {port}");
    }
}
