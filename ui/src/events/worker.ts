import { runHub } from './hub';

runHub();
