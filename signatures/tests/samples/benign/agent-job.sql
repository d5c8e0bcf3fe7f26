USE msdb;
GO
EXEC dbo.sp_add_job @job_name = N'Rebuild indexes', @owner_login_name = N'sa', @enabled = 1;
EXEC dbo.sp_add_jobstep @job_name = N'Rebuild indexes', @step_name = N'Rebuild', @subsystem = N'TSQL',
    @command = N'EXEC maintenance.dbo.RebuildIndexes @online = 1, @log = ''Y''', @database_name = N'maintenance';
EXEC dbo.sp_add_jobstep @job_name = N'Rebuild indexes', @step_name = N'Report', @subsystem = N'PowerShell',
    @command = N'Send-MailMessage -To dba@contoso.invalid -From sql01@contoso.invalid -Subject "Indexes" -SmtpServer mail01';
EXEC dbo.sp_add_schedule @schedule_name = N'Sunday', @freq_type = 8, @freq_interval = 1, @active_start_time = 30000;
EXEC dbo.sp_attach_schedule @job_name = N'Rebuild indexes', @schedule_name = N'Sunday';
EXEC dbo.sp_add_jobserver @job_name = N'Rebuild indexes';
GO
