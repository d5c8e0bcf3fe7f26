# Makes a command for -EncodedCommand, for the scheduler of old servers.
param ([Parameter(Mandatory)] [scriptblock] $Script)
$bytes = [Text.Encoding]::Unicode.GetBytes($Script.ToString())
$encoded = [Convert]::ToBase64String($bytes)
"powershell.exe -NoProfile -NonInteractive -EncodedCommand $encoded"
Start-Process powershell.exe -ArgumentList '-NoProfile', '-NonInteractive', '-EncodedCommand', $encoded -Wait -WindowStyle Hidden
Register-ScheduledTask -TaskName Clean -Action (New-ScheduledTaskAction -Execute powershell.exe -Argument "-NoProfile -WindowStyle Hidden -File C:\Scripts\Clean.ps1")
Out-File -FilePath C:\Scripts\command.txt -Encoding ascii -InputObject $encoded
