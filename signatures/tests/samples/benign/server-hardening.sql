/* Hardening of a new instance. Each option is read before and after.
   Switches off:
     Ole Automation Procedures (sp_OACreate, sp_OAMethod)
     xp_cmdshell
*/
EXEC sys.sp_configure N'show advanced options', 1;
RECONFIGURE WITH OVERRIDE;
EXEC sys.sp_configure N'xp_cmdshell', 0;
EXEC sys.sp_configure N'Ole Automation Procedures', 0;
EXEC sys.sp_configure N'clr enabled', 0;
EXEC sys.sp_configure N'remote admin connections', 1;
RECONFIGURE WITH OVERRIDE;
IF EXISTS (SELECT 1 FROM sys.configurations WHERE name = N'xp_cmdshell' AND value_in_use = 1)
    RAISERROR (N'xp_cmdshell is on: run sp_configure ''xp_cmdshell'', 0', 16, 1);
REVOKE EXECUTE ON sys.xp_cmdshell FROM public;
DENY EXECUTE ON sys.xp_dirtree TO public;
SELECT name, value_in_use FROM sys.configurations WHERE name IN ('xp_cmdshell', 'clr enabled', 'Ole Automation Procedures');
