Configuration BackupPortal {
    param ([string[]] $NodeName = 'localhost')
    Import-DscResource -ModuleName PSDesiredStateConfiguration, xPSDesiredStateConfiguration
    Node $NodeName {
        WindowsFeature Iis { Ensure = 'Present'; Name = 'Web-Server' }
        xRemoteFile Package { Uri = 'https://deploy.contoso.invalid/portal.zip'; DestinationPath = 'C:\Deploy\portal.zip' }
        Archive Portal { Ensure = 'Present'; Path = 'C:\Deploy\portal.zip'; Destination = 'C:\inetpub\portal'; DependsOn = '[xRemoteFile]Package' }
        Script ExecutionPolicy {
            GetScript  = { @{ Result = Get-ExecutionPolicy -Scope LocalMachine } }
            TestScript = { (Get-ExecutionPolicy -Scope LocalMachine) -ne 'Bypass' }
            SetScript  = { Set-ExecutionPolicy RemoteSigned -Scope LocalMachine -Force }
        }
        Service Spooler { Name = 'Spooler'; State = 'Stopped'; StartupType = 'Disabled' }
    }
}
BackupPortal -NodeName web01, web02 -OutputPath C:\Dsc
Start-DscConfiguration -Path C:\Dsc -Wait -Verbose -Force
