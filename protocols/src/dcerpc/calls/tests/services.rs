use super::*;
use crate::dcerpc::calls::names::SVCCTL;

const COMMAND: &str = r"%COMSPEC% /c echo backstop > \\127.0.0.1\ADMIN$\é.txt";

fn create(writer: &mut Writer, wide: bool) {
    writer.handle(7);
    if wide {
        writer.wide("UpdA").unique_wide("Updates A");
    } else {
        writer.narrow("UpdA").pointer().narrow("Updates A");
    }
    writer.u32(0xf01ff).u32(0x10).u32(3).u32(0);
    if wide {
        writer.wide(COMMAND)
    } else {
        writer.narrow(COMMAND)
    };
    writer.null().pointer().u32(0).pointer().byte_array(b"a\0b\0\0\0").u32(6);
    if wide {
        writer.unique_wide(".\\svc")
    } else {
        writer.pointer().narrow(".\\svc")
    };
    writer.pointer().byte_array(b"secret").u32(6);
}

#[test]
fn creation_of_a_service_says_what_it_runs() {
    for (opnum, wide) in [(12, true), (24, false), (44, false), (45, true), (60, true)] {
        let write = |writer: &mut Writer| {
            create(writer, wide);
            if opnum == 60 {
                writer.u16(0x14c);
            }
        };
        each_way(SVCCTL, opnum, write, |call| {
            let Asked::Service(Service::Create(create)) = &call.what else { panic!("{call:?}") };
            assert_eq!((create.name.text.as_str(), create.manager[4]), ("UpdA", 7));
            assert_eq!((create.kind, create.start, create.password), (Some(0x10), Some(3), true));
            assert_eq!(create.account.as_ref().unwrap().text, ".\\svc");
            assert_eq!(run(call), [("service_binary", COMMAND.to_owned())]);
            assert_eq!(call.fields().get("binary_path"), Some(&Value::from(COMMAND)));
            assert!(!format!("{call:?}").contains("secret"));
        });
    }
}

#[test]
fn a_cut_creation_still_gives_the_head_of_its_command() {
    let how = HOW[0];
    let mut writer = Writer::new(how);
    create(&mut writer, true);
    let at = writer.bytes.windows(4).position(|four| four == b"b\0a\0").unwrap();
    let call = request(SVCCTL, 12, &writer.bytes[..at + 4], how).unwrap();
    assert!(call.truncated);
    let Asked::Service(Service::Create(create)) = &call.what else { panic!("{call:?}") };
    let binary = create.binary.as_ref().unwrap();
    assert!(binary.truncated && binary.text.ends_with("echo ba"), "{binary:?}");
}

#[test]
fn changes_starts_and_opens_are_joined_by_handles() {
    let change = |writer: &mut Writer| {
        writer.handle(9).u32(u32::MAX).u32(2).u32(u32::MAX).unique_wide(COMMAND).null().null().null().u32(0);
        writer.null().null().u32(0).null();
    };
    each_way(SVCCTL, 11, change, |call| {
        let Asked::Service(Service::Change(change)) = &call.what else { panic!("{call:?}") };
        assert_eq!((change.kind, change.start, change.password), (None, Some(2), false));
        assert_eq!(run(call), [("service_binary", COMMAND.to_owned())]);
        assert_eq!(call.handle().unwrap()[4..], [9; 16]);
    });
    each_way(
        SVCCTL,
        16,
        |writer| {
            writer.handle(1).wide("Spooler").u32(0x10);
        },
        |call| {
            assert_eq!(call.fields().get("service"), Some(&Value::from("Spooler")));
        },
    );
    let start = |writer: &mut Writer| {
        writer.handle(9).u32(2).pointer().count(2).pointer().pointer().wide("UpdA").pad().wide("-x");
    };
    each_way(SVCCTL, 19, start, |call| {
        assert_eq!(run(call), [("service_arguments", "UpdA -x".to_owned())]);
    });
    each_way(
        SVCCTL,
        19,
        |writer| {
            writer.handle(9).u32(0).null();
        },
        |call| assert_eq!(run(call), []),
    );
    let open = |writer: &mut Writer| {
        writer.unique_wide("SRV01").unique_wide("ServicesActive").u32(0xf003f);
    };
    each_way(SVCCTL, 15, open, |call| {
        assert_eq!(call.fields().get("machine"), Some(&Value::from("SRV01")));
    });
    each_way(
        SVCCTL,
        2,
        |writer| {
            writer.handle(3);
        },
        |call| {
            assert_eq!(call.what, Asked::Service(Service::Delete(call.handle().unwrap())));
        },
    );
}

#[test]
fn the_command_of_a_failure_is_read() {
    let write = |writer: &mut Writer| {
        writer.handle(9).pad().u32(2).pad().u32(2).pointer();
        writer.pad().u32(86_400).pointer().pointer().u32(1).pointer();
        writer.wide("message").wide(COMMAND).count(1).u32(3).u32(60_000);
    };
    each_way(SVCCTL, 37, write, |call| {
        assert_eq!(run(call), [("service_failure_command", COMMAND.to_owned())]);
    });
}

#[test]
fn answers_hand_out_handles_and_codes() {
    for how in HOW {
        let mut writer = Writer::new(how);
        writer.null().handle(5).u32(0);
        let reply = response(SVCCTL, 12, &writer.bytes, how).unwrap();
        assert_eq!((reply.code, reply.handle.map(|handle| handle[4])), (Some(0), Some(5)));
        let mut writer = Writer::new(how);
        writer.handle(0).u32(1060);
        let reply = response(SVCCTL, 16, &writer.bytes, how).unwrap();
        assert_eq!((reply.code, reply.handle), (Some(1060), Some([0; 20])));
        let reply = response(SVCCTL, 19, &Writer::new(how).u32(1053).bytes, how).unwrap();
        assert_eq!((reply.code, reply.handle), (Some(1053), None));
    }
}

#[test]
fn counts_of_nothing_cost_nothing() {
    for how in HOW {
        let mut writer = Writer::new(how);
        writer.handle(9).u32(u32::MAX).pointer().count(u32::MAX as usize);
        let call = request(SVCCTL, 19, &writer.bytes, how).unwrap();
        assert!(call.truncated && run(&call).is_empty());
        let mut writer = Writer::new(how);
        writer.handle(1).count(u32::MAX as usize).count(0).count(u32::MAX as usize).units("Spo");
        let call = request(SVCCTL, 16, &writer.bytes, how).unwrap();
        assert!(call.truncated);
        assert_eq!(call.fields().get("service"), Some(&Value::from("Spo")));
    }
}
