-- Nightly backup of all user databases. xp_cmdshell is not used here: it is off on this server.
SET NOCOUNT ON;
DECLARE @name sysname, @path nvarchar(260) = N'E:\Backup\', @sql nvarchar(max);
DECLARE databases CURSOR LOCAL FAST_FORWARD FOR
    SELECT name FROM sys.databases WHERE database_id > 4 AND state = 0;
OPEN databases;
FETCH NEXT FROM databases INTO @name;
WHILE @@FETCH_STATUS = 0
BEGIN
    SET @sql = N'BACKUP DATABASE ' + QUOTENAME(@name) + N' TO DISK = N''' + @path + @name + N'.bak'' WITH INIT, COMPRESSION, CHECKSUM';
    EXEC sys.sp_executesql @sql;
    RESTORE VERIFYONLY FROM DISK = @path;
    FETCH NEXT FROM databases INTO @name;
END
CLOSE databases; DEALLOCATE databases;
EXEC msdb.dbo.sp_delete_backuphistory @oldest_date = '20260101';
EXEC master.sys.xp_delete_file 0, N'E:\Backup\', N'bak', N'2026-01-01T00:00:00';
