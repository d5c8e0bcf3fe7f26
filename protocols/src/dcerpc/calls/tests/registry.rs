use super::*;
use crate::dcerpc::calls::names::{SRVSVC, WINREG, WKSSVC};

fn counted(writer: &mut Writer, text: &str) {
    let len = u16::try_from(text.len() * 2 + 2).unwrap();
    writer.pad().u16(len).u16(len).unique_wide(text);
}

#[test]
fn keys_are_named_and_handles_told() {
    for (opnum, said) in [(6, "create"), (7, "delete"), (15, "open")] {
        let write = |writer: &mut Writer| {
            writer.handle(5);
            counted(writer, "Software\\Run");
        };
        each_way(WINREG, opnum, write, |call| {
            let fields = call.fields();
            assert_eq!((fields.get("key"), fields.get("key_operation")), (Some(&"Software\\Run".into()), Some(&said.into())));
            assert_eq!(call.handle().unwrap()[4..], [5; 16]);
        });
    }
    let how = HOW[0];
    let mut answer = Writer::new(how);
    answer.handle(9).u32(0);
    let reply = response(WINREG, 15, &answer.bytes, how).unwrap();
    assert_eq!((reply.code, reply.handle.unwrap()[4]), (Some(0), 9));
}

#[test]
fn a_value_that_is_a_text_is_one_that_may_be_run() {
    let write = |kind: u32| {
        move |writer: &mut Writer| {
            writer.handle(5);
            counted(writer, "Up");
            writer.u32(kind);
            let bytes: Vec<u8> = "cmd /c whoami\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
            writer.byte_array(&bytes).u32(28);
        }
    };
    each_way(WINREG, 22, write(1), |call| {
        assert_eq!(run(call), [("registry_value", "cmd /c whoami".to_owned())]);
        assert_eq!(call.fields().get("value"), Some(&"Up".into()));
    });
    each_way(WINREG, 22, write(3), |call| assert_eq!(run(call), []));
}

#[test]
fn questions_to_the_server_say_whom_they_are_about() {
    let write = |writer: &mut Writer| {
        writer.unique_wide("\\\\VBR01").null().unique_wide("bob").u32(10);
    };
    each_way(SRVSVC, 12, write, |call| {
        let Asked::Server(asked) = &call.what else { panic!("{call:?}") };
        assert_eq!((asked.user.as_ref().unwrap().text.as_str(), &asked.client, asked.level), ("bob", &None, Some(10)));
    });
    for (interface, opnum) in [(SRVSVC, 15), (SRVSVC, 21), (WKSSVC, 2)] {
        each_way(
            interface,
            opnum,
            |writer| {
                writer.unique_wide("h").u32(1);
            },
            |call| {
                assert_eq!(call.fields().get("level"), Some(&Value::from(1_u32)));
            },
        );
    }
}
