//! What a red team would try beyond the pairs, and what administrators write every day.

use super::*;

fn sids(text: &str) -> Vec<u64> {
    conditions(text).into_iter().map(|hit| hit.sid).collect()
}

const ATTACKS: &[(u64, &str)] = &[
    (9_402_002, "EXEC/*x*/(\"x\"+'p_cmdshell ''a''')"),
    (9_402_002, "DECLARE @s nvarchar(max); SELECT @s = 'xp_' SELECT @s += 'cmdshell ''a''' EXEC(@s)"),
    (9_402_002, "DECLARE @a varchar(9) SET @a = 'xp_' DECLARE @b varchar(9) = 'cmdshell' EXEC(@a+@b+' ''dir''')"),
    (9_402_001, "exec sp_configure 'xp_cmdshel', 1"),
    (9_402_001, "EXEC sp_configure N'XP_CMDSHELL ', N'1'"),
    (
        9_402_001,
        "EXEC sp_configure 'show advanced options', '1'; RECONFIGURE WITH OVERRIDE; EXEC sp_configure 'xp_cmdshell', '1'; RECONFIGURE",
    ),
    (9_402_001, "EXEC sp_executesql N'EXEC sp_configure @n, @v', N'@n sysname, @v int', @n = 'xp_cmdshell', @v = 1"),
    (9_402_001, "DECLARE @v int = 1 DECLARE @o sysname = 'xp_cmdshell' EXEC sp_configure @o, @v"),
    (9_402_001, "EXEC('sp_configure ''xp_cmdshell'',1') AT linked"),
    (9_402_001, "BEGIN TRY EXEC sys.sp_configure N'xp_cmdshell', 1 RECONFIGURE END TRY BEGIN CATCH END CATCH"),
    (9_402_002, "INSERT INTO t EXEC xp_cmdshell 'dir'"),
    (9_402_002, "INSERT t (a) EXEC('xp_cmdshell ''a''')"),
    (9_402_002, "BEGIN TRY EXEC xp_cmdshell 'a' END TRY BEGIN CATCH END CATCH"),
    (9_402_002, "CREATE PROCEDURE #p AS EXEC xp_cmdshell 'a'"),
    (9_402_002, "CREATE TRIGGER t ON x AFTER INSERT AS EXEC xp_cmdshell 'a'"),
    (9_402_002, "EXEC master.sys.sp_MSforeachtable @command1='xp_cmdshell ''a'''"),
    (9_402_002, "SELECT * FROM OPENQUERY([linked], 'SET FMTONLY OFF; EXEC xp_cmdshell ''a''')"),
    (9_402_002, "EXEC('xp_cmdshell ''a''') AS LOGIN = 'sa'"),
    (9_402_002, "WAITFOR DELAY '0:0:1' EXEC xp_cmdshell 'a'"),
    (9_402_002, "IF 1=1 EXEC xp_cmdshell 'a' ELSE PRINT 1"),
    (9_402_002, "EXEC xp_cmdshell @command_string='a', no_output"),
    (9_402_002, "FETCH NEXT FROM c INTO @cmd; EXEC xp_cmdshell @cmd"),
    (9_402_002, "EXEC(CONVERT(nvarchar(max), 0x780070005f0063006d0064007300680065006c006c0020003100))"),
    (9_402_002, "EXEC(CAST(N'xp_cmdshell 1' AS nvarchar(max)))"),
    (9_402_002, "xp_cmdshell'a'"),
    (9_402_002, "exec[xp_cmdshell]'a'"),
    (9_402_002, "exec\"xp_cmdshell\"'a'"),
    (9_402_002, "DECLARE @p nvarchar(99) = QUOTENAME('master') + '..' + QUOTENAME('xp_cmdshell'); EXEC @p 'a'"),
    (9_402_002, "DECLARE @t TABLE (a int); DECLARE @s AS varchar(99) = 'xp_cmdshell ''a'''; EXECUTE(@s)"),
    (9_402_002, "SELECT @s = 'xp_cmdshell ''a''' FROM sys.objects; EXEC(@s)"),
    (9_402_002, "EXEC(LOWER('XP_CMDSHELL ''A'''))"),
    (9_402_002, "EXEC(LTRIM('   xp_cmdshell 1')+SPACE(3))"),
    (9_402_002, "EXEC master . . xp_cmdshell 'a'"),
    (9_402_002, "DECLARE @s varchar(99) = CASE WHEN 1=1 THEN 'xp_' ELSE '' END + 'cmdshell 1' EXEC(@s)"),
    (9_402_002, "DECLARE @c char = CHAR(39); EXEC('xp_cmdshell ' + @c + 'dir' + @c)"),
    (9_402_002, "EXEC(CASE 1 WHEN 1 THEN CASE WHEN 2=2 THEN 'xp_cmdshell 1' END END)"),
    (9_402_002, "DECLARE @s nvarchar(99) = N'xp_cmdshell 1'; EXEC sp_executesql @statement = @s"),
    (9_402_002, "lbl: EXEC xp_cmdshell 'a' GOTO lbl"),
    (9_402_002, "EXEC('USE master; EXEC xp_cmdshell 1')"),
    (9_402_002, "EXEC xp_cmdshell;"),
    (9_402_002, "DECLARE @a varchar(99)='EXEC(''EXEC(''''xp_cmdshell 1'''')'')' EXEC(@a)"),
    (9_402_002, "EXEC sp_send_dbmail @recipients='a', @query='EXEC xp_cmdshell ''a'''"),
    (9_402_002, "/*/**/*/EXEC--\r\nxp_cmdshell--\n'a'"),
    (9_402_003, "EXEC sp_oacreate N'WScript.Shell' , @o OUT; EXEC sp_oamethod @o , 'Run', NULL, 'a'"),
    (9_402_004, "CREATE ASSEMBLY [a] AUTHORIZATION [dbo] FROM 0x4D5A90000300 + 0x0000 WITH PERMISSION_SET = UNSAFE"),
    (9_402_006, "COPY t(a) FROM PROGRAM $$id$$"),
    (9_402_006, "COPY t FROM PROGRAM 'i'\n'd'"),
    (9_402_006, "BEGIN; CREATE TEMP TABLE t(a text); COPY t FROM PROGRAM 'id' WITH (FORMAT csv); SELECT * FROM t"),
    (9_402_006, "SELECT pg_catalog.lo_export(16, '/x')"),
    (9_402_006, "CREATE OR REPLACE PROCEDURE p() LANGUAGE plperlu AS $x$ 1 $x$"),
    (9_402_006, "DO LANGUAGE 'plpgsql' E'BEGIN EXECUTE \\'COPY t TO PROGRAM \\'\\'id\\'\\'\\'; END'"),
    (9_402_006, "DO $a$ BEGIN EXECUTE concat('CO','PY t FR','OM PROGR','AM ''id'''); END $a$"),
    (9_402_006, "DO $a$ BEGIN EXECUTE chr(67)||chr(79)||'PY t FROM PROGRAM ''id'''; END $a$"),
    (9_402_006, "SELECT query_to_xml('SELECT lo_export(1, ''/x'')', true, true, '')"),
];

const ORDINARY: &[&str] = &[
    "SELECT * FROM sys.configurations WHERE name='xp_cmdshell'",
    "EXEC sp_configure 'xp_cmdshell'",
    "EXEC sp_configure 'xp_cmdshell', 0; RECONFIGURE",
    "DECLARE @v int = 0; EXEC sp_configure 'xp_cmdshell', @v",
    "EXEC sp_configure 'max degree of parallelism', 1",
    "EXEC sp_configure 'clr enabled', 1; EXEC sp_configure 'remote admin connections', 1",
    "IF (SELECT value_in_use FROM sys.configurations WHERE name='xp_cmdshell')=1 PRINT 'xp_cmdshell is on'",
    "RAISERROR('EXEC xp_cmdshell ''x''',16,1)",
    "EXEC sp_helptext 'xp_cmdshell'",
    "EXEC sp_executesql N'SELECT @x', N'@x nvarchar(99)', @x = N'EXEC xp_cmdshell ''a'''",
    "REVOKE EXECUTE ON xp_cmdshell FROM x",
    "GRANT EXEC ON xp_cmdshell TO x",
    "EXEC sp_rename 'xp_cmdshell_old', 'xp_cmdshell'",
    "CREATE TABLE xp_cmdshell (a int); DROP PROCEDURE xp_cmdshell; ALTER AUTHORIZATION ON xp_cmdshell TO x",
    "EXEC xp_logevent 60000, 'EXEC xp_cmdshell'",
    "EXEC msdb.dbo.sp_send_dbmail @body='EXEC xp_cmdshell ''a''', @subject='xp_cmdshell', @query='SELECT 1'",
    "EXEC sp_add_jobstep @subsystem='TSQL', @command='EXEC sp_configure ''xp_cmdshell'',0'",
    "EXEC sp_add_jobstep @step_name='CmdExec', @subsystem='SSIS', @command='xp_cmdshell'",
    "EXEC sys.sp_addextendedproperty 'note','EXEC xp_cmdshell ''a'''",
    "EXEC dbo.WriteLog @text = 'EXEC xp_cmdshell ''a'''",
    "SELECT definition FROM sys.sql_modules WHERE definition LIKE '%EXEC xp_cmdshell%'",
    "EXEC('SELECT ''xp_cmdshell''')",
    "SELECT * FROM OPENQUERY(l,'SELECT ''EXEC xp_cmdshell''')",
    "EXEC sp_msforeachdb 'USE [?]; PRINT ''xp_cmdshell'''",
    "CREATE PROCEDURE p AS /* EXEC xp_cmdshell 'a' */ SELECT 1 -- EXEC xp_cmdshell 'a'",
    "EXEC sp_OACreate 'SQLDMO.SQLServer', @o OUT EXEC sp_OAMethod @o, 'Connect', NULL, 'wscript.shell'",
    "CREATE ASSEMBLY a FROM 'D:\\MZ\\0x4D5A.dll'; SELECT 0x4D5A9000",
    "COMMENT ON FUNCTION f() IS 'COPY t FROM PROGRAM ''id'''",
    "SELECT * FROM pg_proc WHERE proname='lo_export'",
    "REVOKE EXECUTE ON FUNCTION pg_catalog.lo_export(oid, text) FROM PUBLIC",
    "ALTER FUNCTION lo_export(oid, text) OWNER TO x; DROP FUNCTION lo_export(oid, text)",
    "CREATE EXTENSION plpython3u; GRANT USAGE ON LANGUAGE plpython3u TO x",
    "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN -- COPY t FROM PROGRAM 'id'\n RETURN 1; END $$",
    "COPY program FROM '/data/program.csv'; COPY t TO STDOUT; COPY (SELECT 'PROGRAM') TO '/x'",
    "SELECT CASE WHEN 1=1 THEN 'EXEC xp_cmdshell' END; SET @a = CASE WHEN 1=1 THEN 'xp_cmdshell' END PRINT @a",
    "SELECT 'from program ''id''' FROM program",
];

#[test]
fn a_red_team_is_seen() {
    let missed: Vec<_> = ATTACKS.iter().filter(|(sid, text)| !sids(text).contains(sid)).collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn administration_is_silent() {
    let told: Vec<_> = ORDINARY.iter().filter(|text| !sids(text).is_empty()).collect();
    assert!(told.is_empty(), "{told:#?}");
}
