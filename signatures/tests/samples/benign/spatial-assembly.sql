CREATE ASSEMBLY [Spatial.Functions] FROM N'\\files01\deploy\Spatial.Functions.dll' WITH PERMISSION_SET = SAFE;
GO
CREATE FUNCTION dbo.Distance (@a geography, @b geography) RETURNS float AS EXTERNAL NAME [Spatial.Functions].[Spatial.Functions].[Distance];
GO
DECLARE @o int, @hr int, @matches int;
EXEC @hr = sp_OACreate 'VBScript.RegExp', @o OUT;
EXEC @hr = sp_OASetProperty @o, 'Pattern', N'^[0-9]{5}$';
EXEC @hr = sp_OAMethod @o, 'Test', @matches OUT, N'12345';
EXEC sp_OADestroy @o;
INSERT INTO dbo.Attachments (Name, Body) VALUES (N'tool.exe', 0x4D5A90000300000004000000FFFF0000);
