/** Backup and restore of the registry, encrypted under a key of its own. The only door of this folder. */
export { type BackupFacts, createBackup, restoreBackup, verifyBackup } from './backup.ts';
export { passingTables, savedTables } from './rows.ts';
