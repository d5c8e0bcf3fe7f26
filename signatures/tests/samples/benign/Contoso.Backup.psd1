@{
    RootModule           = 'Contoso.Backup.psm1'
    ModuleVersion        = '4.2.0'
    GUID                 = '6d0f0d3e-0000-4000-8000-000000000001'
    Author               = 'Operations'
    CompanyName          = 'Contoso'
    Description          = 'Jobs, reports and restore tests for Veeam Backup & Replication.'
    PowerShellVersion    = '5.1'
    RequiredModules      = @('Veeam.Backup.PowerShell')
    FunctionsToExport    = @('Start-RestoreTest', 'Get-JobReport', 'Expand-Report', 'Invoke-ExpressionSafely')
    CmdletsToExport      = @()
    AliasesToExport      = @('iexs')
    PrivateData          = @{ PSData = @{ Tags = @('backup', 'veeam'); ProjectUri = 'https://git.contoso.invalid/backup' } }
}
