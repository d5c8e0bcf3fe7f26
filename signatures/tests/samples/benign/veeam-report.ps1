# Daily report of the backup server. Lists names of credentials, never secrets.
Import-Module Veeam.Backup.PowerShell -DisableNameChecking
Connect-VBRServer -Server vbr01.contoso.invalid -Port 9392
$since = (Get-Date).AddHours(-24)
$sessions = Get-VBRBackupSession | Where-Object { $_.CreationTime -ge $since }
$html = $sessions | Select-Object JobName, Result, CreationTime, EndTime | ConvertTo-Html -Title 'Backup'
Get-VBRCredentials | Sort-Object Name | Select-Object Name, UserName, LastModified | Export-Csv D:\Reports\accounts.csv
Get-VBRBackupRepository | ForEach-Object { '{0}: {1:N1} TB free' -f $_.Name, ($_.GetContainer().CachedFreeSpace.InBytes / 1TB) }
# ContextSessionId, RemoteInvokeSpec and Method="CredentialsDbScopeGetAllCreds" appear in the service log at debug level.
Select-String -Path 'C:\ProgramData\Veeam\Backup\Svc.VeeamBackup.log' -Pattern 'CredentialsDbScopeFindCredentials|DbGetDataTableRemoteInvokeSpec'
Send-MailMessage -SmtpServer mail01 -From vbr01@contoso.invalid -To ops@contoso.invalid -Subject 'Backup' -BodyAsHtml ($html -join "`n")
Disconnect-VBRServer
