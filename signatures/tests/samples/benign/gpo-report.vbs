' Started by wscript.exe at logon. Writes the applied policies below %APPDATA%.
Option Explicit
Dim shell, files, folder
Set shell = CreateObject("WScript.Shell")
Set files = CreateObject("Scripting.FileSystemObject")
folder = shell.ExpandEnvironmentStrings("%APPDATA%") & "\Contoso"
If Not files.FolderExists(folder) Then files.CreateFolder folder
shell.Run "gpresult.exe /H """ & folder & "\policies.html"" /F", 0, True
shell.Run "powershell.exe -NoProfile -WindowStyle Hidden -ExecutionPolicy Bypass -File ""\\contoso.invalid\SYSVOL\scripts\report.ps1""", 0, False
