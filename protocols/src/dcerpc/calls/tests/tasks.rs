use super::*;
use crate::dcerpc::calls::names::{ATSVC, TASKS};

const XML: &str = "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-16\"?>
<t:Task xmlns:t='http://schemas.microsoft.com/windows/2004/02/mit/task' version='1.2'>
  <!-- <Exec><Command>decoy.exe</Command></Exec> -->
  <t:Triggers><t:TimeTrigger/><t:BootTrigger/></t:Triggers>
  <t:Principals><t:Principal id='a'><t:UserId>S-1-5-18</t:UserId><t:RunLevel>HighestAvailable</t:RunLevel></t:Principal></t:Principals>
  <t:Settings><t:Hidden>true</t:Hidden></t:Settings>
  <t:Actions><t:Exec><t:Command>c&#x6d;d<!-- x -->.exe</t:Command><t:Arguments><![CDATA[/c echo a & ]]>b &gt; c</t:Arguments>
  <t:WorkingDirectory>C:\\Temp</t:WorkingDirectory></t:Exec>
  <t:ComHandler><t:ClassId>{00000000-0000-0000-0000-000000000001}</t:ClassId><t:Data>some data</t:Data></t:ComHandler></t:Actions>
</t:Task>";

fn register(writer: &mut Writer, xml: &str) {
    writer.unique_wide("\\UpdA").wide(xml).u32(2).null().u32(1).u32(1).pointer().count(1);
    writer.pad().pointer().pointer().u32(0).pad().wide("CORP\\svc").wide("secret");
}

#[test]
fn registration_of_a_task_says_what_it_runs() {
    each_way(
        TASKS,
        1,
        |writer| register(writer, XML),
        |call| {
            let Asked::Task(Task::Register(registration)) = &call.what else { panic!("{call:?}") };
            let definition = registration.definition.as_ref().unwrap();
            assert_eq!(definition.principals, ["S-1-5-18"]);
            assert!(definition.hidden && definition.highest && !definition.truncated);
            assert_eq!(definition.triggers, ["TimeTrigger", "BootTrigger"]);
            let [Action::Exec { command, directory, .. }, Action::ComHandler { class, .. }] = definition.actions.as_slice()
            else {
                panic!("{definition:?}")
            };
            assert_eq!((command.as_str(), directory.as_str()), ("cmd.exe", "C:\\Temp"));
            assert_eq!(class, "{00000000-0000-0000-0000-000000000001}");
            assert_eq!(
                run(call),
                [("task_action", "cmd.exe /c echo a & b > c".to_owned()), ("task_action", "some data".to_owned())]
            );
            assert_eq!(registration.user.as_ref().unwrap().text, "CORP\\svc");
            assert!(!format!("{call:?}").contains("secret"));
        },
    );
}

#[test]
fn a_definition_that_no_scheduler_reads_is_given_as_it_is() {
    for xml in [
        "<!DOCTYPE Task [<!ENTITY x 'cmd'>]><Task><Actions><Exec><Command>&x;</Command></Exec></Actions></Task>",
        "no xml",
        "<b/>",
    ] {
        each_way(
            TASKS,
            1,
            |writer| register(writer, xml),
            |call| {
                assert_eq!(run(call), [("task_xml", xml.to_owned())]);
            },
        );
    }
    // What is cut off still says what it began with.
    let how = HOW[0];
    let mut writer = Writer::new(how);
    register(&mut writer, XML);
    let at = writer.bytes.windows(16).position(|some| some == b"e\0c\0h\0o\0 \0a\0 \0&\0").unwrap();
    let call = request(TASKS, 1, &writer.bytes[..at], how).unwrap();
    assert!(call.truncated);
    let texts = run(&call);
    let [(_, action), ("task_xml", xml)] = texts.as_slice() else { panic!("{call:?}") };
    assert_eq!(action, "cmd.exe");
    assert!(xml.ends_with("<![CDATA[/c "), "{xml}");
}

#[test]
fn runs_switches_and_names_are_read() {
    let write = |writer: &mut Writer| {
        writer.wide("\\UpdA").u32(2).pointer().count(2).pointer().pointer().wide("one").pad().wide("two");
        writer.u32(0).u32(0).unique_wide("CORP\\a");
    };
    each_way(TASKS, 12, write, |call| {
        assert_eq!(run(call), [("task_arguments", "one two".to_owned())]);
        assert_eq!(call.fields().get("account"), Some(&Value::from("CORP\\a")));
    });
    let write = |writer: &mut Writer| {
        writer.wide("\\UpdA").u32(0);
    };
    each_way(TASKS, 19, write, |call| assert_eq!(call.fields().get("enabled"), Some(&Value::from(false))));
    each_way(TASKS, 13, write, |call| assert_eq!(call.fields().get("path"), Some(&Value::from("\\UpdA"))));
    let write = |writer: &mut Writer| {
        writer.wide("\\UpdA").pad().wide("\\UpdB").u32(0);
    };
    each_way(TASKS, 14, write, |call| assert_eq!(call.fields().get("new"), Some(&Value::from("\\UpdB"))));
}

#[test]
fn an_at_job_says_its_command() {
    let write = |writer: &mut Writer| {
        writer.unique_wide("\\\\SRV01").pad().u32(60_000).u32(0).u8(0x1f).u8(1).unique_wide("cmd /c echo backstop");
    };
    each_way(ATSVC, 0, write, |call| {
        let Asked::Task(Task::AddJob { time, days_of_week, flags, .. }) = &call.what else { panic!("{call:?}") };
        assert_eq!((*time, *days_of_week, *flags), (60_000, 0x1f, 1));
        assert_eq!(run(call), [("task_command", "cmd /c echo backstop".to_owned())]);
    });
    let write = |writer: &mut Writer| {
        writer.null().u32(1).u32(9);
    };
    each_way(ATSVC, 1, write, |call| assert_eq!(call.what, Asked::Task(Task::DeleteJobs(1, 9))));
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
        register(&mut writer, xml);
        let call = request(TASKS, 1, &writer.bytes, HOW[0]).unwrap();
        assert_eq!(run(&call), [("task_action", "powershell -c a".to_owned())], "{xml}");
    }
}
