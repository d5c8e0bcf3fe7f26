//! Stubs that another implementation wrote, with inert values.

use super::*;
use crate::dcerpc::calls::names::{self, EPMAPPER};

fn hex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
}

#[test]
fn requests_of_another_implementation_are_read_whole() {
    let mut read = Vec::new();
    for line in include_str!("stubs.txt").lines().filter(|line| !line.starts_with('#')) {
        let [name, opnum, marshalling, stub] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let interface = names::by_name(name).unwrap();
        let (opnum, stub) = (opnum.parse().unwrap(), hex(stub));
        let how = Marshalling { little: true, ndr64: marshalling == "ndr64" };
        every_prefix(interface, opnum, &stub, how);
        let call = request(interface, opnum, &stub, how).unwrap();
        let facts = format!("{:?} {:?}", run(&call), call.fields());
        for expected in match (name, opnum) {
            ("svcctl", 12) => &["cmd /c echo x", "UpdA", ".\\\\a", "0707"][..],
            ("svcctl", 19) => &["[] ", "0707"],
            ("ITaskSchedulerService", 1) => &["(\"task_action\", \"a.exe\")", "UpdA"],
            ("atsvc", 0) => &["(\"task_command\", \"echo x\")"],
            ("winreg", 15) => &["SOFTWARE\\\\X", "0404"],
            ("winreg", 22) => &["(\"registry_value\", \"echo x\")", "Upd"],
            ("srvsvc", 12) => &["anna", "Uint(10)"],
            ("epmapper", 3) => &["ITaskSchedulerService", "ncacn_ip_tcp"],
            ("IRemoteSCMActivator" | "IRemoteActivation", _) => &["WbemLevel1Login", "IWbemLevel1Login"],
            ("IWbemLevel1Login", 6) => &["cimv2"],
            ("IWbemServices", 6) => &["Win32_Process"],
            ("IWbemServices", 20) => &["(\"wmi_query\", \"SELECT * FROM Win32_Process\")", "WQL"],
            ("IWbemServices", 24) => {
                &["(\"wmi_command_line\", \"cmd.exe /Q /c echo x\")", "Win32_Process", "Create", "__PARAMETERS"]
            }
            other => panic!("{other:?} has no expectations"),
        } {
            assert!(facts.contains(expected), "{name} {opnum} {marshalling}: no {expected} in {facts}");
        }
        read.push((name, opnum, marshalling));
    }
    assert_eq!(read.len(), 26);
}

#[test]
fn an_answer_of_an_endpoint_mapper_names_the_port() {
    let answer = hex(concat!(
        "000000000000000000000000000000000000000001000000040000000000000001000000030000004b0000004b000000",
        "050013000d4959d386c9834440b424db363231fd0c01000200000013000d045d888aeb1cc9119fe808002b1048600200",
        "0200000001000b020000000100070200c20601000904000a141e0a0000000000",
    ));
    let reply = response(EPMAPPER, 3, &answer, HOW[0]).unwrap();
    let [endpoint] = reply.endpoints.as_slice() else { panic!("{reply:?}") };
    assert_eq!((endpoint.host.as_deref(), endpoint.port), (Some("10.20.30.10"), Some(49_670)));
    assert_eq!((endpoint.interface, reply.code), (Some((names::TASKS, 1)), Some(0)));
}

#[test]
fn without_a_bind_the_arguments_say_how_they_are_marshalled() {
    for line in include_str!("stubs.txt").lines().filter(|line| !line.starts_with('#')) {
        let [name, opnum, marshalling, stub] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let (interface, opnum, stub) = (names::by_name(name).unwrap(), opnum.parse().unwrap(), hex(stub));
        let Some((call, how)) = request_either_way(interface, opnum, &stub, true) else { continue };
        let expected = Marshalling { little: true, ndr64: marshalling == "ndr64" };
        assert_eq!((how, call), (expected, request(interface, opnum, &stub, expected).unwrap()), "{line}");
    }
    assert_eq!(request_either_way(names::SVCCTL, 12, &[0x5a; 64], true), None);
}
