//! What servers accept and a careless reader does not, each beside its look-alike.

use super::tests::both;
use super::*;

fn sids(text: &str) -> Vec<u64> {
    conditions(text).into_iter().map(|hit| hit.sid).collect()
}

const PAIRS: &[(u64, &str, &str)] = &[
    // Any part of an option's name, wildcards, and 1 in other clothes.
    (9_402_001, "EXEC sp_configure 'cmdshell', 1", "EXEC sp_configure 'remote access', 1"),
    (9_402_001, "EXEC sp_configure 'xp[_]cmd%ell', 1", "EXEC sp_configure '%', 1"),
    (9_402_001, "EXEC sp_configure 'xp_cmdshell', 0x01", "EXEC sp_configure 'xp_cmdshell', 0x00"),
    (9_402_001, "EXEC sp_configure 'xp_cmdshell', +1", "EXEC sp_configure 'xp_cmdshell', -1"),
    (9_402_001, "EXEC sp_configure;1 'xp_cmdshell', 1.0", "EXEC sp_configure;1 'xp_cmdshell', 0.0"),
    // Blanks and letters beyond ASCII.
    (9_402_002, "EXEC\u{a0}xp_cmdshell\u{3000}'dir'", "PRINT\u{a0}'xp_cmdshell'"),
    (9_402_002, "EXEC \u{ff58}p_cmdshell 'dir'", "SELECT \u{ff58}p_cmdshell FROM t"),
    (9_402_002, "EXEC xp_cmd\u{200b}shell 'dir'", "SELECT xp_cmd\u{200b}shell FROM t"),
    // QUOTED_IDENTIFIER off, continued lines, a comment that a carriage return ends.
    (9_402_002, "SET QUOTED_IDENTIFIER OFF EXEC(\"xp_cmdshell 'dir'\")", "SELECT \"xp_cmdshell 'dir'\""),
    (9_402_002, "EXEC('xp_cmd\\\nshell ''dir''')", "SELECT 'xp_cmd\\\nshell ''dir'''"),
    (9_402_002, "--\rEXEC xp_cmdshell 'dir'", "--\tEXEC xp_cmdshell 'dir'"),
    // A number runs into a word.
    (9_402_002, "SELECT 1declare @a varchar(9)='xp_cmdshell' exec @a 'dir'", "SELECT 1 AS exec_xp_cmdshell"),
    // Names that stand for others.
    (9_402_002, "CREATE SYNONYM dbo.p FOR master..xp_cmdshell; EXEC p 'dir'", "CREATE SYNONYM dbo.p FOR master..xp_cmdshell"),
    (9_402_002, "EXEC OPENDATASOURCE('x','y').master.dbo.xp_cmdshell 'dir'", "EXEC OPENDATASOURCE('x','y').master.dbo.sp_who"),
    // Procedures that run texts, now or later.
    (9_402_002, "EXEC sp_MSforeachdb 'EXEC xp_cmdshell ''dir'''", "EXEC sp_MSforeachdb 'SELECT ''xp_cmdshell'''"),
    (
        9_402_002,
        "EXEC sp_add_jobstep @subsystem='TSQL', @command='EXEC xp_cmdshell ''dir'''",
        "EXEC sp_add_jobstep @subsystem='TSQL', @command='DBCC CHECKDB'",
    ),
    // Texts put together.
    (9_402_002, "EXEC(CHAR(100+20)+CHAR(0x70)+'_cmdshell ''dir''')", "SELECT CHAR(100+20)+CHAR(0x70)+'_cmdshell ''dir'''"),
    (9_402_002, "DECLARE @a varchar(9)=(SELECT 'xp_cmdshell') EXEC @a 'dir'", "DECLARE @a varchar(9)=(SELECT 'xp_cmdshell')"),
    (9_402_002, "EXEC(STUFF('xp_shell ''dir''',4,0,'cmd'))", "SELECT STUFF('xp_shell ''dir''',4,0,'cmd')"),
    (9_402_002, "EXEC(SUBSTRING('aaxp_cmdshell 1',3,99))", "EXEC(SUBSTRING('SELECT 1 --xp_cmdshell',1,8))"),
    (
        9_402_002,
        "DECLARE @a varbinary(99)=CONVERT(varbinary(99),'78705f636d647368656c6c2031',2) DECLARE @b varchar(99)=CAST(@a AS varchar(99)) EXEC(@b)",
        "DECLARE @a varbinary(99)=CONVERT(varbinary(99),'78705f636d647368656c6c2031',2)",
    ),
    (
        9_402_002,
        "DECLARE @a varchar(99)=CAST(CAST('' AS xml).value('xs:base64Binary(\"eHBfY21kc2hlbGwgMQ==\")','varbinary(99)') AS varchar(99)) EXEC(@a)",
        "SELECT CAST('' AS xml).value('xs:base64Binary(\"eHBfY21kc2hlbGwgMQ==\")','varbinary(99)')",
    ),
    (
        9_402_003,
        "EXEC sp_OACreate 'new:{13709620-C279-11CE-A49E-444553540000}',@o out EXEC sp_OAMethod @o,'x'",
        "EXEC sp_OAGetProperty @o,'x'",
    ),
    (9_402_005, "EXEC sp_update_jobstep @subsystem='CmdExec'", "EXEC sp_update_jobstep @command='x'"),
    (
        9_402_006,
        "CREATE FUNCTION system(cstring) RETURNS int AS '/lib/x86_64-linux-gnu/libc.so.6', 'system' LANGUAGE 'c' STRICT",
        "CREATE FUNCTION public.digest(text, text) RETURNS bytea LANGUAGE c IMMUTABLE STRICT AS '$libdir/pgcrypto', 'pg_digest'",
    ),
    (9_402_006, "DO $$ import os $$ LANGUAGE plpython3u", "DO $$ BEGIN NULL; END $$ LANGUAGE plpgsql"),
    (
        9_402_006,
        "CREATE FUNCTION f() RETURNS void AS $$ BEGIN COPY t FROM PROGRAM 'id'; END $$ LANGUAGE plpgsql",
        "CREATE FUNCTION f() RETURNS void AS $$ BEGIN COPY t FROM '/x'; END $$ LANGUAGE plpgsql",
    ),
    (
        9_402_006,
        "DO $$ BEGIN EXECUTE format('COPY t FROM %s %L', 'PROGRAM', 'id'); END $$",
        "DO $$ BEGIN EXECUTE format('COPY t FROM %L', 'PROGRAM'); END $$",
    ),
    (
        9_402_006,
        "DO $$ BEGIN EXECUTE convert_from(decode('Q09QWSB0IEZST00gUFJPR1JBTSAnaWQn','base64'),'UTF8'); END $$",
        "SELECT decode('Q09QWSB0IEZST00gUFJPR1JBTSAnaWQn','base64')",
    ),
    // Names and calls in other clothes.
    (9_402_002, "EXEC ..xp_cmdshell 'dir'", "EXEC ..sp_who"),
    (9_402_002, "EXEC master.dbo.xp_cmdshell 'dir'", "SELECT master.dbo.xp_cmdshell.a FROM master.dbo.xp_cmdshell"),
    (9_402_002, "{call xp_cmdshell('dir')}", "{call sp_helptext('xp_cmdshell')}"),
    (9_402_002, "{?=call master..xp_cmdshell(?)}", "SELECT '{call xp_cmdshell(?)}'"),
    (9_402_002, "DECLARE @p sysname='master..xp_cmdshell' DECLARE @r int EXEC @r = @p 'dir'", "DECLARE @r int EXEC @r = sp_who"),
    (9_402_002, "EXECUTE [master].[sys].[xp_cmdshell] 'dir'", "EXECUTE AS USER = 'xp_cmdshell'"),
    (9_402_002, "\"xp_cmdshell\" 'dir'", "sp_help \"xp_cmdshell\""),
    // Texts of which a part is not known.
    (9_402_002, "EXEC('EXEC xp_cmdshell ''dir ' + @dir + '''')", "EXEC('PRINT ''xp_cmdshell ' + @dir + '''')"),
    (
        9_402_002,
        "DECLARE @s nvarchar(999); SET @s = N'EXEC master..xp_cmdshell ''bcp ' + @table + N' out''' EXEC sp_executesql @s",
        "DECLARE @s nvarchar(999); SET @s = N'SELECT ''EXEC master..xp_cmdshell'' FROM ' + @table EXEC sp_executesql @s",
    ),
    (9_402_002, "EXEC(CONCAT('xp_cmdshell ''', @a, ''''))", "EXEC(CONCAT('SELECT ''xp_cmdshell ', @a, ''''))"),
    (9_402_002, "EXEC('xp_cmdshell ?', 'dir') AT linked", "EXEC('SELECT ?', 'xp_cmdshell') AT linked"),
    (
        9_402_002,
        "EXEC sp_executesql N'EXEC @p @c', N'@p sysname, @c varchar(9)', N'xp_cmdshell', 'dir'",
        "EXEC sp_executesql N'SELECT @p, @c', N'@p sysname, @c varchar(9)', N'xp_cmdshell', 'dir'",
    ),
    (
        9_402_002,
        "EXEC VeeamBackup..sp_executesql N'xp_cmdshell ''dir'''",
        "EXEC VeeamBackup..sp_executesql N'--xp_cmdshell ''dir'''",
    ),
    (9_402_002, "EXEC(REPLACE('xp_cmdZZshell ''dir''','zz',''))", "SELECT REPLACE('xp_cmdZZshell ''dir''','zz','')"),
    (9_402_002, "EXEC(FORMATMESSAGE('%s%s ''dir''','xp_','cmdshell'))", "SELECT FORMATMESSAGE('%s%s','xp_','cmdshell')"),
    (9_402_002, "EXEC(ISNULL(NULL,'xp_cmdshell ''dir'''))", "PRINT ISNULL(NULL,'xp_cmdshell')"),
    (9_402_002, "EXEC('xp_cmdshell ''dir''' COLLATE Latin1_General_BIN)", "SELECT 'xp_cmdshell' COLLATE Latin1_General_BIN"),
    (9_402_002, "EXEC(IIF(1=1,'xp_cmdshell 1',''))", "SELECT IIF(1=1,'xp_cmdshell 1','')"),
    // What only one of the two servers takes for a literal.
    (
        9_402_002,
        "SELECT e'\\' FROM (SELECT 1 e) t EXEC xp_cmdshell 'dir' --'",
        "SELECT e'\\' FROM (SELECT 1 e) t PRINT 'EXEC xp_cmdshell' --'",
    ),
    (9_402_006, "SELECT (ARRAY['a]b'])[1]; COPY t FROM PROGRAM 'id'", "SELECT (ARRAY['a]b'])[1]; SELECT 'COPY t FROM PROGRAM'"),
    (9_402_006, "SELECT 1#lo_export(1,'/x')", "SELECT 1#length('lo_export')"),
    (9_402_006, "SELECT \"lo_export\"(1,'/x')", "SELECT \"lo_export\" FROM t"),
    (9_402_006, "COPY t FROM PROGRAM U&'!0069d' UESCAPE '!'", "SELECT U&'COPY t FROM PROGRAM !0069d' UESCAPE '!'"),
    (
        9_402_006,
        "DO $$ DECLARE c text := 'PROGRAM'; BEGIN EXECUTE 'COPY t FROM ' || c || ' ''id'''; END $$",
        "DO $$ DECLARE c text := 'PROGRAM'; BEGIN EXECUTE 'COPY t FROM ''' || c || ''''; END $$",
    ),
    (
        9_402_006,
        "DO $$ DECLARE q text; BEGIN q := format('COPY %I TO PROGRAM %L', t, cmd); EXECUTE q; END $$",
        "DO $$ DECLARE q text; BEGIN q := format('COPY %I TO %L', t, cmd); EXECUTE q; END $$",
    ),
    (9_402_006, "SELECT dblink('dbname=a', 'COPY t FROM PROGRAM ''id''')", "SELECT dblink('dbname=a', 'COPY t FROM STDIN')"),
];

#[test]
fn what_servers_accept_is_read_as_servers_read_it() {
    let mut wrong = Vec::new();
    for (sid, attack, benign) in PAIRS {
        if !sids(attack).contains(sid) {
            wrong.push(format!("{sid} must fire on: {attack}\n{:?}", both(attack)));
        }
        if !sids(benign).is_empty() {
            wrong.push(format!("{sid} must not fire on: {benign}\n{:?}", both(benign)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// As much as fits a request: no padding may hide what stands behind it.
#[test]
fn padding_hides_nothing() {
    for pad in
        [";", "EXEC sp_configure 'a',0 ", "EXEC sp_who ", "COPY t FROM STDIN;", "EXEC('SELECT 1') ", "(", "SELECT 'a'+'b' "]
    {
        let text = format!("{} EXEC xp_cmdshell 'dir'", pad.repeat(90_000 / pad.len()));
        assert!(sids(&text).contains(&9_402_002), "{pad}");
    }
}

#[test]
fn a_text_without_end_says_that_it_was_not_read_to_its_end() {
    assert!(read("EXEC sp_who").complete);
    assert!(read(&"EXEC sp_executesql N'SELECT 1' ".repeat(3_000)).complete);
    assert!(!read("DECLARE @a varchar(max)='EXEC(@a) EXEC(@a)' EXEC(@a)").complete);
    assert!(!read(&format!("EXEC({}", "CONCAT('a',".repeat(9_000))).complete);
    assert!(!read(&format!("EXEC{}'xp_cmdshell'{}", "(".repeat(60), ")".repeat(60))).complete);
}
