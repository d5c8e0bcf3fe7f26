use super::*;
use crate::dcerpc::calls::names::{ATSVC, TASKS};

const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-16\"?>\n<Task version=\"1.2\" xmlns=\"http://schemas.microsoft.com/windows/2004/02/mit/task\">\
    <Triggers><CalendarTrigger/></Triggers><Principals><Principal id=\"L\"><UserId>S-1-5-18</UserId><RunLevel>HighestAvailable</RunLevel>\
    </Principal></Principals><Settings><Hidden>true</Hidden></Settings><Actions Context=\"L\"><Exec><Command>cmd.exe</Command>\
    <Arguments>/C whoami &gt; %windir%\\Temp\\x.tmp 2&gt;&amp;1</Arguments></Exec><ComHandler><ClassId>{1}</ClassId></ComHandler></Actions></Task>";

fn register(xml: &str) -> impl Fn(&mut Writer) + '_ {
    move |writer: &mut Writer| {
        writer.unique_wide("\\UpdB").wide(xml).u32(2).null().u32(3).u32(0).null();
    }
}

fn registered(call: &Call) -> &Register {
    let Asked::Task(Task::Register(register)) = &call.what else { panic!("{call:?}") };
    register
}

#[test]
fn a_task_says_what_it_runs_as_whom_and_how_visible() {
    each_way(TASKS, 1, register(XML), |call| {
        let register = registered(call);
        assert_eq!((register.path.as_ref().unwrap().text.as_str(), register.flags, register.logon), ("\\UpdB", Some(2), Some(3)));
        let definition = &register.definition;
        assert_eq!(
            (definition.principal.as_deref(), definition.run_level.as_deref()),
            (Some("S-1-5-18"), Some("HighestAvailable"))
        );
        assert!(definition.hidden && definition.triggers == ["CalendarTrigger"] && !definition.truncated);
        let line = "cmd.exe /C whoami > %windir%\\Temp\\x.tmp 2>&1".to_owned();
        assert_eq!(run(call)[0], ("task_action", line));
        assert_eq!(definition.actions[1], Action::Com { class: "{1}".into(), data: String::new() });
        assert!(call.fields().get("actions").is_some());
    });
}

#[test]
fn the_way_a_definition_is_written_changes_nothing() {
    let written = [
        "\u{feff}<t:Task xmlns:t='x'><t:Actions><t:Exec><t:Command>powershell</t:Command><t:Arguments>-c a</t:Arguments></t:Exec></t:Actions></t:Task>",
        "<Task><Actions><Exec><Command>power<!-- a -->shell</Command><Arguments><![CDATA[-c a]]></Arguments></Exec></Actions></Task>",
        "<Task><Actions><Exec><Command>&#112;owershell</Command><Arguments>-c&#x20;a</Arguments></Exec></Actions></Task>",
        "<Task><Actions/><Actions><Exec><Arguments>-c a</Arguments><Command>powershell</Command></Exec></Actions></Task>",
    ];
    for xml in written {
        let mut writer = Writer::new(HOW[0]);
        register(xml)(&mut writer);
        let call = request(TASKS, 1, &writer.bytes, HOW[0]).unwrap();
        assert_eq!(run(&call), [("task_action", "powershell -c a".to_owned())], "{xml}");
    }
}

#[test]
fn a_definition_that_cannot_be_read_is_looked_at_as_it_is() {
    for xml in ["<!DOCTYPE a [<!ENTITY b 'cmd'>]><Task>&b;</Task>", "no xml", "<Task/>"] {
        let mut writer = Writer::new(HOW[0]);
        register(xml)(&mut writer);
        let call = request(TASKS, 1, &writer.bytes, HOW[0]).unwrap();
        assert_eq!(run(&call), [("task_definition", xml.to_owned())]);
    }
    // Deep or long ones give their head.
    let deep = format!("<Task>{}", "<a>".repeat(5_000));
    let mut writer = Writer::new(HOW[0]);
    register(&deep)(&mut writer);
    assert!(registered(&request(TASKS, 1, &writer.bytes, HOW[0]).unwrap()).definition.truncated);
    let many = format!("<Task><Actions>{}</Actions></Task>", "<Exec><Command>a</Command></Exec>".repeat(40));
    let mut writer = Writer::new(HOW[0]);
    register(&many)(&mut writer);
    let call = request(TASKS, 1, &writer.bytes, HOW[0]).unwrap();
    assert!(registered(&call).definition.truncated && run(&call).len() == 32);
}

#[test]
fn a_command_with_blanks_is_one_word_of_the_line() {
    let line = |command: &str, arguments: &str| {
        Action::Exec { command: command.into(), arguments: arguments.into(), directory: String::new() }.line()
    };
    assert_eq!(line("C:\\a b\\c.exe", "-d"), "\"C:\\a b\\c.exe\" -d");
    assert_eq!(line("\"C:\\a b\\c.exe\"", "-d"), "\"C:\\a b\\c.exe\" -d");
    assert_eq!(line("cmd /c x", ""), "cmd /c x");
}

#[test]
fn runs_deletions_and_questions_name_the_task() {
    each_way(
        TASKS,
        12,
        |writer| {
            writer.wide("\\UpdB").u32(2).pointer().count(2).pointer().pointer().wide("a").wide("b");
        },
        |call| {
            let Asked::Task(Task::Run { path, arguments }) = &call.what else { panic!("{call:?}") };
            assert_eq!((path.text.as_str(), arguments.len()), ("\\UpdB", 2));
            assert_eq!(run(call), [("task_arguments", "a b".to_owned())]);
        },
    );
    let name = |opnum| {
        move |call: &Call| assert_eq!(call.fields().get(if opnum == 2 { "path" } else { "task" }), Some(&Value::from("\\UpdB")))
    };
    for opnum in [2, 13] {
        each_way(
            TASKS,
            opnum,
            |writer| {
                writer.wide("\\UpdB").u32(0);
            },
            name(opnum),
        );
    }
    each_way(
        TASKS,
        19,
        |writer| {
            writer.wide("\\UpdB").u32(1);
        },
        |call| {
            assert_eq!(call.fields().get("enabled"), Some(&Value::from(true)));
        },
    );
    // What impacket 0.13 writes for `SchRpcDelete`.
    let stub = hex("0600000000000000060000005c005500700064004200000000000000");
    let call = request(TASKS, 13, &stub, HOW[0]).unwrap();
    assert_eq!(call.what, Asked::Task(Task::Delete(Text { text: "\\UpdB".into(), truncated: false })));
}

#[test]
fn a_job_of_the_old_scheduler_says_its_command() {
    each_way(
        ATSVC,
        0,
        |writer| {
            writer.unique_wide("\\\\VBR01").pad().u32(36_000_000).u32(0).u8(0).u8(0).pad().pointer().wide("cmd /c whoami");
        },
        |call| assert_eq!(run(call), [("job_command", "cmd /c whoami".to_owned())]),
    );
    // What impacket 0.13 writes.
    let stub = "00000000e8030000000000000000aaaa6580000012000000000000001200000063006d0064002e0065007800650020002f00430020\
                00770068006f0061006d0069000000";
    let call = request(ATSVC, 0, &hex(&stub.replace(' ', "")), HOW[0]).unwrap();
    assert_eq!(run(&call), [("job_command", "cmd.exe /C whoami".to_owned())]);
    assert_eq!(call.fields().get("time_of_day_ms"), Some(&Value::from(1_000_u32)));
}

fn hex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
}
