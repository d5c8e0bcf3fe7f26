-- Who called what, from the default trace. The words are searched for, not used.
SELECT te.name, t.LoginName, t.HostName, t.TextData, t.StartTime
FROM sys.fn_trace_gettable(CONVERT(nvarchar(260), (SELECT path FROM sys.traces WHERE is_default = 1)), DEFAULT) AS t
JOIN sys.trace_events AS te ON te.trace_event_id = t.EventClass
WHERE t.TextData LIKE N'%exec%xp_cmdshell%' OR t.TextData LIKE N'%sp_configure%''xp_cmdshell''%' OR t.TextData LIKE '%sp_OACreate%'
   OR t.TextData LIKE N'%CREATE ASSEMBLY%FROM 0x4D5A%';
INSERT INTO audit.Result (Kind, Query)
VALUES (N'cmdshell', N'SELECT * FROM trace WHERE text LIKE ''%EXEC xp_cmdshell%'''),
       (N'cmdshell', N'use of EXEC master..xp_cmdshell ''dir''; found on SQL02');
EXEC sp_helpserver;
EXEC sp_who2 'active';
